"""Images to evaluate and calibrate bundles on: listed at once, decoded one by one when they are needed.

Read without PyTorch and pyarrow, in the environment of the service.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.contract import Input, Manifest, Pixels, Preprocessing, Task, litter_note, preprocess
from training.data.class_names import match_classes
from training.data.labelled_images import LabelledImages, to_picture
from training.data.labels import beside_a_name, normalize_name, printable
from training.data.metadata import own_name
from training.data.part_names import Part, part_of
from training.data.sources.file_tree import class_files, files_below, subfolders
from training.data.sources.idx import DEBIAN, holds_idx, read_idx_test
from training.data.sources.label_table import LabelTable, TableRow, read_label_table
from training.data.sources.layout import ClassFolder, find_class_folders
from training.data.sources.open_image import read_pixels
from training.data.sources.table_text import TEXT_SUFFIXES
from training.errors import DatasetError

Truth = NDArray[np.int64] | NDArray[np.bool_]
_SEPARATOR = "|"
"""Between the labels of one image, in the task multilabel."""
_EVALUATION: tuple[Part, ...] = ("test", "validation", "calibration")
_CALIBRATION: tuple[Part, ...] = ("calibration", "validation", "test")


@dataclass(frozen=True)
class ImageSource:
    """N images of one source, with or without labels.

    title: the source in words. names: N paths or numbers, for messages. read: returns the pixels of image i for an
    input, uint8 [height, width, channels], and raises UnreadableImage. notes: sentences on how the source was read.
    kept_title: the source in words for a bundle, without the folders of this machine. paths: N files, or none where the
    images are parts of a larger file.
    """

    title: str
    names: Sequence[str]
    read: Callable[[int, Input, Preprocessing], Pixels]
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    kept_title: str = field(default="", kw_only=True)
    paths: Sequence[Path] = field(default=(), kw_only=True)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class HeldOutImages(ImageSource):
    """N labelled images of one source.

    truth: class_id of each image, int64 [N], or, in the task multilabel, whether each class is true, bool [N, K].
    """

    truth: Truth

    def of_classes(self, classes: int) -> NDArray[np.int64]:
        """Return the number of images of each class: int64 [K]."""
        counts = self.truth.sum(axis=0) if self.truth.ndim == 2 else np.bincount(self.truth, minlength=classes)
        return np.asarray(counts, np.int64)


HeldOutParts = Mapping[Part, HeldOutImages]
"""The parts of a source that are not for training; a source without parts is all `test`."""


def open_held_out(source: str, manifest: Manifest) -> HeldOutParts:
    """List the images of a folder of class folders, a folder of IDX files, a CSV table, or of `fashion-mnist`.

    Class folders and the labels of a table are matched with those of the bundle; not every class has to be there. Where
    the source has parts, in folders or in the column `split`, training images are left out.
    Raises DatasetError, whose sentence says what to change.
    """
    path = Path(os.path.expanduser(source))
    notes: tuple[str, ...] = ()
    if _is_name(source):
        notes = (beside_a_name(source),) if path.exists() else ()
        path = DEBIAN
    if path.is_file() and path.suffix.casefold() in TEXT_SUFFIXES:
        several = manifest.task is Task.MULTILABEL
        return from_label_table(path, read_label_table(path, empty_labels=several), manifest)
    if not (source and path.is_dir()):
        raise DatasetError(
            f"there are no images at {source!r}: give a folder with a folder of images for each class, "
            f"a table ({', '.join(TEXT_SUFFIXES)}) with the columns path and label, or a folder of IDX files"
        )
    if manifest.task is Task.MULTILABEL:
        raise DatasetError(
            f"an image of {manifest.name} may have several labels, which folders cannot say: give a table (.csv) with "
            f"the columns path and label, as in a.jpg,{_SEPARATOR.join(manifest.labels[:2])}"
        )
    if holds_idx(path):
        images = _from_arrays(read_idx_test(path, len(manifest.labels)), f"test images of {path}")
        return {"test": replace(images, notes=notes, kept_title=f"test images of {own_name(path)}")}
    return _from_folders(path, manifest.labels)


def _is_name(source: str) -> bool:
    """Return whether a source is the data set that is known by its name and installed."""
    return source == "fashion-mnist" and DEBIAN.is_dir()


def open_with_or_without_labels(source: str, manifest: Manifest) -> ImageSource:
    """List the images of a source as `open_held_out` does, or all images of a folder that has no labels.

    A folder has no labels where it holds no folders, where none of its folders is named as a class, and in the task
    multilabel. Of a source with labels the images to evaluate on are returned, as HeldOutImages.
    Raises DatasetError, whose sentence says what to change.
    """
    path = Path(os.path.expanduser(source))
    if not source or _is_name(source) or not path.is_dir() or holds_idx(path):
        return evaluation_part(open_held_out(source, manifest))
    names = [folder.name for folder in subfolders(path)]
    parts = bool(names) and all(part_of(name) for name in names)
    several = manifest.task is Task.MULTILABEL
    if not several and (parts or any(_is_class(name, manifest.labels) for name in names)):
        return evaluation_part(open_held_out(source, manifest))
    files = files_below(path)
    if not files:
        raise DatasetError(f"{printable(path)} is empty: put images into it, or name another folder")
    note = ", in which no folder has the name of a class" if names and not several else ""
    return _from_files(files, f"images without labels of {printable(path)}{note}")


def _is_class(name: str, labels: Sequence[str]) -> bool:
    """Return whether a folder of this name could hold the images of a class."""
    try:
        return bool(match_classes([name], labels, ""))
    except DatasetError:
        return normalize_name(name) in map(normalize_name, labels)  # a label of two classes, which is refused later


def evaluation_part(parts: HeldOutParts) -> HeldOutImages:
    """Return the test images, or else those of validation or calibration."""
    return next(parts[part] for part in _EVALUATION if part in parts)


def calibration_parts(parts: HeldOutParts) -> tuple[HeldOutImages, HeldOutImages | None]:
    """Return the images to fit on and those to measure on: the test images, or None where there are no others.

    Fitted on are the images of calibration, or else those of validation, or the test images.
    """
    chosen = next(part for part in _CALIBRATION if part in parts)
    return parts[chosen], None if chosen == "test" else parts.get("test")


def _from_folders(root: Path, labels: Sequence[str]) -> HeldOutParts:
    folders = find_class_folders(root, {normalize_name(label) for label in labels}, strict=False)
    parts: dict[Part, list[ClassFolder]] = {}
    for folder in folders:
        if folder.part != "train":
            parts.setdefault(folder.part or "test", []).append(folder)
    if not parts:
        raise _training_only(printable(root), printable(folders[0].path.parent))
    return {
        part: _from_class_folders(members, labels, root, f"{part} images" if members[0].part else "images")
        for part, members in parts.items()
    }


def _from_class_folders(folders: Sequence[ClassFolder], labels: Sequence[str], root: Path, what: str) -> HeldOutImages:
    classes = match_classes([folder.name for folder in folders], labels, printable(root))
    litter = list[str]()
    rows = [(path, classes[folder.name]) for folder in folders for path in class_files(folder.path, litter)]
    images = _from_files([path for path, _ in rows], f"{what} of {printable(root)}")
    truth = np.array([label for _, label in rows], np.int64)
    notes = tuple(note for note in (litter_note(litter),) if note)
    return replace(_labelled(images, truth), kept_title=f"{what} of {own_name(root)}", notes=notes)


def from_label_table(table: Path, read: LabelTable, manifest: Manifest) -> HeldOutParts:
    """List the images of a table that was read. Raises DatasetError as `open_held_out` does."""
    several = manifest.task is Task.MULTILABEL
    used = [row for row in read.rows if row.part != "train"]
    if not used:
        raise _training_only(str(table), "a table without the column split")
    names = {row.label: _separated(row.label) if several else [row.label] for row in used}
    every = dict.fromkeys(name for each in names.values() for name in each)
    classes = match_classes(every, manifest.labels, printable(table))
    truth = {label: [classes[name] for name in each] for label, each in names.items()}
    parts: dict[Part, list[TableRow]] = {}
    for row in used:
        parts.setdefault(row.part or "test", []).append(row)
    return {
        part: replace(
            _labelled(
                _from_files(
                    [row.path for row in members],
                    f"{f'{part} images' if members[0].part else 'images'} of {printable(table)}",
                ),
                _truth([truth[row.label] for row in members], len(manifest.labels), several=several),
            ),
            notes=read.notes,
            kept_title=f"{f'{part} images' if members[0].part else 'images'} of {own_name(table)}",
        )
        for part, members in parts.items()
    }


def _separated(label: str) -> list[str]:
    """Return the labels of one image; none for an empty text."""
    return [name for part in label.split(_SEPARATOR) if (name := part.strip())]


def _truth(class_ids: Sequence[Sequence[int]], classes: int, *, several: bool) -> Truth:
    if not several:
        return np.array([each[0] for each in class_ids], np.int64)
    rows = np.zeros((len(class_ids), classes), np.bool_)
    for row, each in zip(rows, class_ids, strict=True):
        row[list(each)] = True
    return rows


def _labelled(images: ImageSource, truth: Truth) -> HeldOutImages:
    return HeldOutImages(images.title, images.names, images.read, truth, paths=images.paths)


def _from_files(paths: Sequence[Path], title: str) -> ImageSource:
    return ImageSource(
        title,
        [printable(path) for path in paths],
        lambda index, target, preprocessing: read_pixels(paths[index], target, preprocessing),
        paths=paths,
    )


def _from_arrays(images: LabelledImages, title: str) -> HeldOutImages:
    return HeldOutImages(
        title,
        [f"image {index}" for index in range(len(images))],
        lambda index, target, preprocessing: preprocess(to_picture(images.images[index]), target, preprocessing),
        images.labels,
    )


def _training_only(where: str, instead: str) -> DatasetError:
    return DatasetError(
        f"{where} has training images only, on which a network looks better than it is: "
        f"give {instead} if these were not trained on"
    )
