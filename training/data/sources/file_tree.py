"""Files and folders below a folder, without those that operating systems and file managers leave behind."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from models.contract import HEIC_SUFFIXES, IMAGE_SUFFIXES, is_litter
from training.data.labels import printable
from training.errors import DatasetError


def subfolders(root: Path) -> list[Path]:
    """Return the folders in `root`, sorted by name. Raises DatasetError."""
    try:
        return sorted(path for path in root.iterdir() if not is_litter(path.name) and path.is_dir())
    except OSError as error:
        _refuse(error)


def broken_links(root: Path) -> list[Path]:
    """Return the links in `root` to what is not there, sorted by name. Raises DatasetError."""
    try:
        return sorted(
            path for path in root.iterdir() if path.is_symlink() and not is_litter(path.name) and not path.exists()
        )
    except OSError as error:
        _refuse(error)


def files_in(folder: Path) -> list[Path]:
    """Return the files in a folder itself, not those in folders in it, sorted by name. Raises DatasetError."""
    try:
        return sorted(path for path in folder.iterdir() if not is_litter(path.name) and path.is_file())
    except OSError as error:
        _refuse(error)


def holds_images(folder: Path) -> bool:
    """Return whether a folder itself has files that end as images do, or have no suffix. Raises DatasetError."""
    return any(path.suffix.lower() in ("", *IMAGE_SUFFIXES, *HEIC_SUFFIXES) for path in files_in(folder))


def litter_in(folder: Path) -> list[str]:
    """Return the names in a folder itself that the others here pass over, sorted. Raises DatasetError."""
    try:
        return sorted(path.name for path in folder.iterdir() if is_litter(path.name))
    except OSError as error:
        _refuse(error)


def class_files(folder: Path, litter: list[str] | None = None) -> list[Path]:
    """Return all files below a class folder, sorted by name. Raises DatasetError for one without files.

    litter: gets the names of the files and folders that are passed over.
    """
    files = sorted(_walk(folder, [] if litter is None else litter))
    if not files:
        raise DatasetError(f"the class folder {printable(folder)} is empty: put images into it, or remove it")
    return files


def files_below(folder: Path) -> list[Path]:
    """Return all files below a folder, sorted by name. Links to folders are not followed. Raises DatasetError."""
    return sorted(_walk(folder, []))


def _walk(folder: Path, litter: list[str]) -> Iterator[Path]:
    for place, folders, names in os.walk(folder, onerror=_refuse):
        litter += [name for name in (*folders, *names) if is_litter(name)]
        folders[:] = [name for name in folders if not is_litter(name)]
        yield from (Path(place, name) for name in names if not is_litter(name))


def _refuse(error: OSError) -> NoReturn:
    raise DatasetError(f"{error.filename} cannot be read: {error.strerror}") from error
