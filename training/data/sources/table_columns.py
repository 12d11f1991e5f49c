"""Which column of a table holds the paths, which one the labels and which one the parts."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from models.contract import HEIC_SUFFIXES, IMAGE_SUFFIXES
from training.data.labels import printable, shorten
from training.data.part_names import part_of
from training.errors import DatasetError

_SYNONYMS: dict[str, tuple[str, ...]] = {
    "path": (
        *("path", "paths", "file", "files", "filename", "filenames", "filepath", "relativepath", "relpath"),
        *("image", "images", "imagepath", "imagefile", "imagename", "imagefilename", "imgpath", "imgname", "imgfile"),
        *("img", "picture", "photo"),
    ),
    "label": (
        *("label", "labels", "labelname", "class", "classes", "classname", "classlabel"),
        *("target", "targets", "category", "categories", "categoryname"),
    ),
    "split": ("split", "splits", "part", "subset", "partition", "set", "datasplit", "dataset", "usage", "phase"),
}
"""Names of columns without case, blanks, hyphens and underscores."""
_ROLES = tuple(_SYNONYMS)


class Columns(NamedTuple):
    """Places of the columns, from 0. split: None where the parts are not known."""

    path: int
    label: int
    split: int | None


def has_names(record: Sequence[str]) -> bool:
    """Return whether a row is a header: it names a column of paths and one of labels."""
    found = {_role(name) for name in record}
    return {"path", "label"} <= found


def named_columns(names: Sequence[str], table: Path) -> Columns:
    """Return the columns by their names, in any case and with the usual synonyms.

    Where several columns could be one, that which is called path, label or split counts. Raises DatasetError for a
    column that is missing, and for two that could be the same.
    """
    path, label, split = (_place(names, role, table) for role in _ROLES)
    if path is None or label is None:
        raise DatasetError(
            f"{printable(table)} has no column {'path' if path is None else 'label'!r}, only "
            f"{shorten([ascii(name) for name in names]) or 'none'}: "
            "name the columns path, label and, if the parts are known, split"
        )
    return Columns(path, label, split)


def described(names: Sequence[str], columns: Columns) -> str:
    """Return which columns were read as which, where they have other names, and which were not read; or nothing."""
    places = zip(_ROLES, columns, strict=True)
    others = [
        f"{names[place]!r} was read as {role}"
        for role, place in places
        if place is not None and _plain(names[place]) != role
    ]
    unread = [ascii(name) for place, name in enumerate(names) if place not in columns and name.strip()]
    said = (
        f"has other names of columns: {', '.join(others)}" if others else "",
        f"has columns that were not read: {shorten(unread)}" if unread else "",
    )
    return "; it ".join(each for each in said if each)


def unnamed_columns(records: Sequence[Sequence[str]], folder: Path) -> Columns | None:
    """Return the columns of a table without a header, from its first rows; None where they are not clear.

    One column has to hold names of images, or of files that exist, relative to `folder`. Of two others one has to hold
    parts.
    """
    widths = {len(record) for record in records}
    if widths not in ({2}, {3}):
        return None
    places = range(widths.pop())
    paths = [place for place in places if all(_is_path(record[place], folder) for record in records)]
    others = [place for place in places if place not in paths]
    parts = [place for place in others if all(part_of(record[place]) for record in records)]
    if len(paths) != 1 or len(others) - 1 != len(parts if len(others) > 1 else ()):
        return None
    split = parts[0] if len(others) > 1 else None
    return Columns(paths[0], next(place for place in others if place != split), split)


def _is_path(cell: str, folder: Path) -> bool:
    text = cell.strip()
    return text.lower().endswith((*IMAGE_SUFFIXES, *HEIC_SUFFIXES)) or bool(
        text and "\0" not in text and (folder / text).is_file()
    )


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name.casefold())


def _role(name: str) -> str | None:
    return next((role for role, names in _SYNONYMS.items() if _plain(name) in names), None)


def _place(names: Sequence[str], role: str, table: Path) -> int | None:
    places = [place for place, name in enumerate(names) if _role(name) == role]
    exact = [place for place in places if _plain(names[place]) == role]
    if len(places) < 2 or len(exact) == 1:
        return next(iter(exact or places), None)
    shown = " and ".join(ascii(names[place]) for place in places)
    raise DatasetError(
        f"{printable(table)} has the columns {shown}, each of which could be the {role}: call one {role}"
    )
