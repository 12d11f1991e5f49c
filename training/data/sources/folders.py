"""A folder of class folders, with or without folders for train, validation and test above them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from training.data.labels import choose_names, normalize_name, printable
from training.data.metadata import files_dataset
from training.data.sources.listing import Listing, listing
from training.data.split import PART_NAMES, Part
from training.errors import DatasetError

_LITTER = ("thumbs.db", "desktop.ini")
"""Files that file managers leave behind. Files and folders that begin with a dot are skipped too."""


def list_class_folders(root: Path, labels: tuple[str, ...] = ()) -> Listing:
    """List every file of every class folder, whatever its name; files that are no images are found when they are
    opened.

    A class folder may be a link; links further down are not followed, so there are no cycles.
    Raises DatasetError for no class, one class, an empty class, or names that differ from `labels`.
    """
    classes = [(folder, part) for top, part in _part_folders(root) for folder in _class_folders(top)]
    names = choose_names(
        {normalize_name(folder.name) for folder, part in classes if part == "train"}, labels, str(root)
    )
    rows = [(path, _number(folder, names), part) for folder, part in classes for path in class_files(folder)]
    return listing(files_dataset(str(root), names), rows)


def _part_folders(root: Path) -> list[tuple[Path, Part]]:
    """Return the folders that hold class folders, training first."""
    folders = subfolders(root)
    named = [(folder, PART_NAMES[name]) for folder in folders if (name := folder.name.casefold()) in PART_NAMES]
    if not any(part == "train" for _, part in named) or len(named) == 1 < len(folders):
        return [(root, "train")]
    if others := [folder.name for folder in folders if folder not in dict(named)]:
        raise DatasetError(
            f"{root} has {others[0]} beside {', '.join(folder.name for folder, _ in named)}: "
            "move away what is neither training, validation nor test"
        )
    return sorted(named, key=lambda item: item[1] != "train")


def _class_folders(root: Path) -> list[Path]:
    folders = subfolders(root)
    if not folders:
        raise DatasetError(f"{root} has no class folders: put the images of each class into a folder of its name")
    for folder in folders:
        if folder.is_symlink() and root.resolve().is_relative_to(folder.resolve()):
            raise DatasetError(f"{folder} is a link to a folder around it: remove the link")
    return folders


def _number(folder: Path, names: tuple[str, ...]) -> int:
    if (name := normalize_name(folder.name)) not in names:
        raise DatasetError(
            f"{printable(folder)} is of a class that has no training images: add some, or remove the folder"
        )
    return names.index(name)


def subfolders(root: Path) -> list[Path]:
    """Return the folders in `root`, sorted by name, without hidden ones. Raises DatasetError."""
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        _refuse(error)


def class_files(folder: Path) -> list[Path]:
    """Return all files below a class folder, sorted by name. Raises DatasetError for one without files."""
    files = files_below(folder)
    if not files:
        raise DatasetError(f"the class folder {printable(folder)} is empty: put images into it, or remove it")
    return files


def files_below(folder: Path) -> list[Path]:
    """Return all files below a folder, sorted by name, without hidden ones. Raises DatasetError."""
    return sorted(_walk(folder))


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in names if name.casefold() not in _LITTER and name[0] != ".")


def _refuse(error: OSError) -> NoReturn:
    raise DatasetError(f"{error.filename} cannot be read: {error.strerror}") from error
