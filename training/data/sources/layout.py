"""Which folder holds the images of which class and part: the arrangements in which people keep their images."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.data.labels import normalize_name, printable, shorten
from training.data.part_names import Part, part_of
from training.data.sources.file_tree import broken_links, holds_images, subfolders
from training.errors import DatasetError

_COMMON = 2
"""Folders that others have to share to look like parts of a data set: no part has one class only."""


@dataclass(frozen=True)
class ClassFolder:
    """A folder of images of one class.

    written: name of the folder that is called as the class; part: None where the source has no parts.
    """

    path: Path
    written: str
    part: Part | None = None

    @property
    def name(self) -> str:
        """Name of the class."""
        return normalize_name(self.written)


def find_class_folders(root: Path, known: Collection[str], *, strict: bool) -> list[ClassFolder]:
    """Return the folders of the classes in `root`, once for each part.

    Parts may be above the classes, as in train/cat, or below them, as in cat/train. known: names of classes; where all
    folders in `root` are called so, they are the classes, whatever they look like. strict: refuse other folders that
    look like parts, whatever they are called; not needed where unknown classes are refused. A class folder may be a
    link. Raises DatasetError for folders that cannot be told apart as classes and parts, naming them.
    """
    folders = _class_folders(root)
    if {normalize_name(folder.name) for folder in folders} <= set(known):
        return _divided_or_whole(root, folders)
    if parts := _parts_in(root, folders):
        return [
            ClassFolder(folder, folder.name, part)
            for top, part in parts.items()
            for folder in _classes_of_part(_unwrapped(top, part))
        ]
    classes = _divided_or_whole(root, folders)
    if strict and classes[0].part is None:
        _refuse_what_looks_like_parts(root, folders)
    elif strict:
        _refuse_data_sets(root, classes)
    return classes


def _classes_of_part(top: Path) -> list[Path]:
    if not subfolders(top) and holds_images(top):
        raise DatasetError(
            f"{printable(top)} has images, but no class folders: put those of each class into a folder of its name, or "
            "move the folder away where the classes are not known"
        )
    return _class_folders(top)


def _class_folders(root: Path) -> list[Path]:
    if broken := broken_links(root):
        raise DatasetError(f"{printable(broken[0])} is a link to nothing: repair or remove it")
    folders = subfolders(root)
    if not folders:
        raise DatasetError(
            f"{printable(root)} has no class folders: put the images of each class into a folder of its name"
        )
    for folder in folders:
        if folder.is_symlink() and root.resolve().is_relative_to(folder.resolve()):
            raise DatasetError(f"{printable(folder)} is a link to a folder around it: remove the link")
    return folders


def _parts_in(root: Path, folders: Sequence[Path]) -> dict[Path, Part]:
    """Return the folders that are parts; none where only one of several folders has such a name."""
    parts = {folder: part for folder in folders if (part := part_of(folder.name))}
    if not parts or len(parts) == 1 < len(folders):
        return {}
    if others := [folder for folder in folders if folder not in parts]:
        raise DatasetError(
            f"{printable(root)} has {_names(others)} beside {_names(list(parts))}: "
            "move away what is neither training, validation nor test"
        )
    first: dict[Part, Path] = {}
    for folder, part in parts.items():
        if (other := first.setdefault(part, folder)) != folder:
            raise DatasetError(
                f"{printable(root)}: {other.name} and {folder.name} are the same part, {part}: "
                "join the two, or rename one to train, validation, calibration or test"
            )
    return parts


def _unwrapped(top: Path, part: Part) -> Path:
    """Return the folder inside a part that holds its classes: archives often have train/train or seg_train/seg_train.

    Only a folder that is alone, and is called as the same part, is passed.
    """
    inside = subfolders(top)
    if len(inside) == 1 and part_of(inside[0].name) == part and subfolders(inside[0]) and not holds_images(top):
        return _unwrapped(inside[0], part)
    return top


def _divided_or_whole(root: Path, folders: Sequence[Path]) -> list[ClassFolder]:
    """Return each class folder, or the folders of its parts where every class is divided into parts."""
    divided = {folder: _parts_in(folder, subfolders(folder)) for folder in folders}
    if not any(divided.values()):
        return [ClassFolder(folder, folder.name) for folder in folders]
    example = next(folder for folder in folders if divided[folder])
    if whole := [folder for folder in folders if not divided[folder]]:
        raise DatasetError(
            f"{printable(root)}: {example.name} is divided into {_names(list(divided[example]))}, but {whole[0].name} "
            "is not: divide every class in the same way, or put all images of a class into its folder"
        )
    if mixed := [folder for folder in folders if holds_images(folder)]:
        raise DatasetError(
            f"{printable(mixed[0])} has images beside {_names(list(divided[mixed[0]]))}: move them into one of these"
        )
    return [ClassFolder(path, folder.name, part) for folder in folders for path, part in divided[folder].items()]


def _refuse_what_looks_like_parts(root: Path, folders: Sequence[Path]) -> None:
    """Raise DatasetError for folders that hold the classes instead of being them, however they are called."""
    inside = {folder: {each.name for each in subfolders(folder)} for folder in folders if not holds_images(folder)}
    if len(folders) == 1:
        if len(inside.get(folders[0], ())) >= _COMMON:
            raise DatasetError(
                f"{printable(root)} has one folder only, {_names(folders)}, whose folders look like the classes: "
                f"give {printable(folders[0])}"
            )
        return
    siblings = {folder.name for folder in folders}
    for folder, names in inside.items():
        if part_of(folder.name) and names and names <= siblings - {folder.name}:
            raise DatasetError(
                f"{printable(root)}: {folder.name} holds {shorten(sorted(names))}, as the classes beside it: "
                "keep them apart, as in train/cat and test/cat"
            )
    largest = max(inside.values(), key=len, default=set())
    alike = len(inside) == len(folders) and all(len(names) >= _COMMON and names <= largest for names in inside.values())
    if alike:
        raise DatasetError(
            f"{printable(root)}: {_names(folders)} look like parts of the data, not like classes, since each holds the "
            f"same folders, {shorten(sorted(largest))}: call the parts train, validation and test, or say with "
            "--labels that these are the classes"
        )


def _refuse_data_sets(root: Path, folders: Sequence[ClassFolder]) -> None:
    """Raise DatasetError for folders divided into parts that hold the classes: each is a data set of its own."""
    inside = [{each.name for each in subfolders(folder.path)} for folder in folders if not holds_images(folder.path)]
    largest = max(inside, key=len, default=set())
    if len(inside) < len(folders) or not all(len(names) >= _COMMON and names <= largest for names in inside):
        return
    tops = list(dict.fromkeys(folder.path.parent for folder in folders))
    example = folders[0].path.relative_to(root)
    raise DatasetError(
        f"{printable(root)}: folders such as {example} hold {shorten(sorted(largest))}, which look like the classes: "
        f"give {' or '.join(printable(top) for top in tops[:2])}"
        + (f", or say with --labels that {_names(tops)} are the classes" if len(tops) > 1 else "")
    )


def _names(folders: Sequence[Path]) -> str:
    return shorten([folder.name for folder in folders])
