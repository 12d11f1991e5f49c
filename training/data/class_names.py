"""Names of classes as a data set writes them, matched with the labels of a bundle."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice

from training.data.labels import normalize_name, shorten
from training.errors import DatasetError

_LONGEST_ID = 9
"""Digits of a class_id, at most."""
_NAMED = 5
"""Unknown names that an error lists."""


def match_classes(names: Iterable[str], labels: Sequence[str], where: str) -> dict[str, int]:
    """Return the class_id of each name: its place among `labels`, from 0.

    A name is a label, letter by letter, or a class_id; a label comes first where a name could be both. where: the data,
    for the error. Raises DatasetError that lists the names which are neither, each with the nearest label, and where
    some names are class_ids only while others could be either, of different classes.
    """
    places: dict[str, list[int]] = {}
    for place, label in enumerate(labels):
        places.setdefault(normalize_name(label), []).append(place)
    found, unknown = dict[str, int](), list[str]()
    either, only_ids = list[str](), list[str]()
    for name in names:
        same = places.get(normalize_name(name), [])
        if len(same) > 1:
            raise DatasetError(
                f"{where}: {name!r} is the label of {len(same)} classes: write the class_id instead, "
                f"{' or '.join(map(str, same))}"
            )
        class_id = _class_id(name, len(labels))
        if same:
            found[name] = same[0]
            either += [name] if class_id not in (None, same[0]) else []
        elif class_id is not None:
            found[name] = class_id
            only_ids.append(name)
        else:
            unknown.append(name)
    if unknown:
        raise DatasetError(_refusal(unknown, labels, where))
    if either and only_ids:
        raise DatasetError(
            f"{where}: {only_ids[0]!r} is a class_id and no label, but {either[0]!r} is the label of class "
            f"{found[either[0]]}: write labels only; the labels are {shorten(labels)}"
        )
    return found


def _class_id(name: str, classes: int) -> int | None:
    """Return the class_id that a name is, None for any other text."""
    digits = name.isascii() and name.isdecimal() and len(name) <= _LONGEST_ID
    return int(name) if digits and int(name) < classes else None


def _refusal(unknown: Sequence[str], labels: Sequence[str], where: str) -> str:
    folded = {label.casefold(): place for place, label in reversed(list(enumerate(labels)))}
    shown = ", ".join(_with_hint(name, labels, folded) for name in islice(unknown, _NAMED))
    more = f" and {len(unknown) - _NAMED:,} more" if len(unknown) > _NAMED else ""
    are = "is no class" if len(unknown) == 1 else "are no classes"
    return (
        f"{where}: {shown}{more} {are} of the bundle: write the label of a class, or its class_id from 0 to "
        f"{len(labels) - 1}; the labels are {shorten(labels)}"
    )


def _with_hint(name: str, labels: Sequence[str], folded: dict[str, int]) -> str:
    nearest = get_close_matches(name.casefold(), folded, n=1)
    if not nearest:
        return repr(name)
    place = folded[nearest[0]]
    return f"{name!r} (nearest label: {labels[place]!r}, class_id {place})"
