"""A folder of class folders, with or without folders for train, validation and test above or below them."""

from pathlib import Path

from models.contract import litter_note, suffix_counts
from training.data.labels import choose_names, count_of, instead_of, normalize_name, printable, shorten
from training.data.metadata import files_dataset
from training.data.sources.file_tree import class_files, files_in, litter_in
from training.data.sources.layout import ClassFolder, find_class_folders
from training.data.sources.listing import Listing, listing
from training.errors import DatasetError


def list_class_folders(root: Path, labels: tuple[str, ...] = ()) -> Listing:
    """List every file of every class folder, whatever its name; files that are no images are found when they are
    opened.

    labels: names of the classes in order, if known. A class folder may be a link; links further down are not followed,
    so there are no cycles.
    Raises DatasetError for no class, one class, an empty class, names that differ from `labels`, and for folders that
    cannot be told apart as classes and parts.
    """
    folders = find_class_folders(root, [normalize_name(label) for label in labels], strict=True)
    training = {folder.name for folder in folders if folder.part in (None, "train")}
    if not training:
        parts = sorted({folder.part for folder in folders if folder.part})
        raise DatasetError(
            f"{printable(root)} has no training images, only those for {', '.join(parts)}: add a folder train, or say "
            "with --labels that these folders are the classes"
        )
    names = choose_names(training, labels, printable(root))
    numbers = {name: number for number, name in enumerate(names)}
    for folder in folders:
        if folder.name not in numbers:
            raise DatasetError(
                f"{printable(folder.path)} is of a class that has no training images: "
                f"{instead_of(folder.name, names) or 'add some, or remove the folder'}"
            )
    litter = [name for top in _tops(root, folders) for name in litter_in(top)]
    rows = [
        (path, numbers[folder.name], folder.part or "train")
        for folder in _ordered(folders)
        for path in class_files(folder.path, litter)
    ]
    note = litter_note(litter)
    notes = (*_beside(root, folders), *([note] if note else []), *_stripped(folders))
    return listing(files_dataset(root, names), rows, notes)


def _ordered(folders: list[ClassFolder]) -> list[ClassFolder]:
    """Return the training folders first: the seed draws from the images in the order of the listing."""
    return sorted(folders, key=lambda folder: folder.part not in (None, "train"))


def _beside(root: Path, folders: list[ClassFolder]) -> list[str]:
    """Return a sentence on the files that lie beside class folders instead of in one."""
    names = [path.name for top in _tops(root, folders) for path in files_in(top)]
    return (
        [f"passed over {count_of(len(names), 'file')} beside the class folders: {suffix_counts(names)}"]
        if names
        else []
    )


def _tops(root: Path, folders: list[ClassFolder]) -> list[Path]:
    """Return the folders that hold class folders, and `root`."""
    return sorted({root, *(folder.path.parent for folder in folders)})


def _stripped(folders: list[ClassFolder]) -> list[str]:
    """Return a sentence on the folders whose names have blanks at their ends."""
    names = {folder.written: folder.name for folder in folders if folder.written != folder.name}
    said = [f"{written!r} is the class {name!r}" for written, name in names.items()]
    return [f"blanks at the ends of names of folders do not count: {shorten(said)}"] if said else []
