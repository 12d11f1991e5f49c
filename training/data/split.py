"""The part of each image: training, validation, calibration or test, as given by the source or held out at random."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.contract import Input, Preprocessing
from training.data.duplicates import Digests, groups
from training.data.labelled_images import Indices, LabelledImages
from training.data.labels import shorten
from training.data.part_names import PARTS, Part
from training.data.warnings_list import DatasetWarnings
from training.errors import DatasetError

Labels = NDArray[np.int64]
Parts = NDArray[np.str_]
_ONE_EACH = 2
"""Held-out images of a class that gives one to validation and one to calibration."""


@dataclass(frozen=True)
class Split:
    """Disjoint indices into the images that were split."""

    train: Indices
    validation: Indices
    calibration: Indices


def stratified_split(labels: NDArray[np.int64], validation: float, calibration: float, seed: int) -> Split:
    """Split so that every part has the classes in the same proportions.

    validation, calibration: fractions of the whole; the rest is training. A part with a fraction above zero gets at
    least one image of each class; a class too small to be in every part is all for training.
    Raises DatasetError for fractions that leave nothing, and where all classes are that small.
    """
    if not (min(validation, calibration) >= 0 and validation + calibration < 1):
        raise DatasetError(f"validation {validation:g} and calibration {calibration:g} leave nothing to train on")
    random = np.random.default_rng(seed)
    parts: tuple[list[Indices], ...] = ([], [], [])
    for label in np.unique(labels):
        indices = random.permutation(np.flatnonzero(labels == label))
        held_out = [_share(len(indices), fraction) for fraction in (validation, calibration)]
        if sum(held_out) >= len(indices):
            held_out = [0, 0]
        for part, piece in zip(parts, np.split(indices, np.cumsum(held_out)), strict=True):
            part.append(piece)
    first, second, rest = (np.sort(np.concatenate(part)) for part in parts)
    if (validation and not len(first)) or (calibration and not len(second)):
        raise DatasetError(
            "no class has enough different images to hold some out for validation and calibration, at least one for "
            "each beside those to train on: add images"
        )
    return Split(train=rest, validation=first, calibration=second)


def _share(count: int, fraction: float) -> int:
    return max(1, round(count * fraction)) if fraction else 0


@dataclass(frozen=True)
class HoldOut:
    """Fractions of the training images that are held out, and the seed of the draw."""

    validation: float = 0.05
    calibration: float = 0.05
    seed: int = 0


@dataclass(frozen=True)
class OpenedImages:
    """The images of each part that exists: training always, and none of them empty."""

    target: Input
    preprocessing: Preprocessing
    parts: dict[Part, LabelledImages]
    warnings: DatasetWarnings


def assign_parts(labels: Labels, given: Parts, digests: Digests, names: Sequence[str], hold_out: HoldOut) -> Parts:
    """Return the part of each image: as given, with some training images of each class held out.

    Equal images stay in one part: a copy of a training image would make the validation score too good.
    Raises DatasetError for a class without training images, and where no class can hold some out.
    """
    training = np.flatnonzero(given == "train")
    check_classes(labels[training], names)
    first, group = groups(digests[training])
    validation, calibration = (0.0 if (given == part).any() else share for part, share in _shares(hold_out))
    split = stratified_split(labels[training[first]], validation, calibration, hold_out.seed)
    parts = given.astype(f"<U{max(map(len, PARTS))}")
    held = np.full(len(first), "train", parts.dtype)
    held[split.validation], held[split.calibration] = "validation", "calibration"
    parts[training] = held[group]
    return parts


def check_classes(labels: Labels, names: Sequence[str]) -> None:
    """Raise DatasetError for a class that has no training images."""
    empty = np.flatnonzero(np.bincount(labels, minlength=len(names)) == 0)
    if len(empty):
        raise DatasetError(f"the class {names[empty[0]]!r} has no training images: add some, or leave the class out")


def describe_small_classes(train: Labels, held_out: Labels, names: Sequence[str], wanted: float) -> list[str]:
    """Return sentences on classes without held-out images, and on parts that one image of each class makes large.

    train, held_out: class_id of each image to train on, and of each image for validation and for calibration.
    wanted: share of the images to hold out.
    """
    trained, held = (np.bincount(part, minlength=len(names)) for part in (train, held_out))
    sentences = list[str]()
    if whole := [f"{name} ({trained[label]:,})" for label, name in enumerate(names) if not held[label]]:
        sentences.append(f"these classes are too small to hold images out, so all are for training: {shorten(whole)}")
    images = len(train) + len(held_out)
    share = len(held_out) / images
    if held.max() <= _ONE_EACH and share > 2 * wanted:
        sentences.append(
            f"{len(held_out):,} of {images:,} images are held out, {share * 100:.0f} % where {wanted * 100:.0f} % are "
            "wanted, since validation and calibration take at least one of each class: add images"
        )
    return sentences


def _shares(hold_out: HoldOut) -> tuple[tuple[Part, float], ...]:
    for name, share in (("validation", hold_out.validation), ("calibration", hold_out.calibration)):
        if not 0 < share < 1:
            raise DatasetError(f"{name} {share:g} is not a fraction of the training images: choose one such as 0.05")
    return ("validation", hold_out.validation), ("calibration", hold_out.calibration)
