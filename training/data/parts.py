"""Which part each image belongs to: as its source says, with validation and calibration held out where it has none."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.contract import Input, Preprocessing
from training.data.duplicates import Digests, groups
from training.data.findings import Findings
from training.data.images import LabelledImages
from training.data.listing import PARTS, Part
from training.data.split import stratified_split
from training.errors import DatasetError

Labels = NDArray[np.int64]
Parts = NDArray[np.str_]


@dataclass(frozen=True)
class HoldOut:
    """Fractions of the training images, and the seed of the draw."""

    validation: float = 0.05
    calibration: float = 0.05
    seed: int = 0


@dataclass(frozen=True)
class Opened:
    """The images of each part that there is: training always, and none of them empty."""

    target: Input
    how: Preprocessing
    parts: dict[Part, LabelledImages]
    findings: Findings


def assign_parts(labels: Labels, given: Parts, digests: Digests, names: Sequence[str], hold_out: HoldOut) -> Parts:
    """The part of each image: as given, but some of the training images of each class held out.

    Equal images stay together: a copy of what the network was trained on would flatter the validation.
    Raises DatasetError for a class without training images, or with too few to hold some out.
    """
    training = np.flatnonzero(given == "train")
    check_classes(labels[training], names)
    first, group = groups(digests[training])
    validation, calibration = (0.0 if (given == part).any() else share for part, share in _shares(hold_out))
    split = stratified_split(labels[training[first]], validation, calibration, hold_out.seed, names)
    parts = given.astype(f"<U{max(map(len, PARTS))}")
    held = np.full(len(first), "train", parts.dtype)
    held[split.validation], held[split.calibration] = "validation", "calibration"
    parts[training] = held[group]
    return parts


def check_classes(labels: Labels, names: Sequence[str]) -> None:
    """Raises DatasetError for a class that has no training images."""
    empty = np.flatnonzero(np.bincount(labels, minlength=len(names)) == 0)
    if len(empty):
        raise DatasetError(f"the class {names[empty[0]]!r} has no training images: add some, or leave the class out")


def _shares(hold_out: HoldOut) -> tuple[tuple[Part, float], ...]:
    for name, share in (("validation", hold_out.validation), ("calibration", hold_out.calibration)):
        if not 0 < share < 1:
            raise DatasetError(f"{name} {share:g} is not a fraction of the training images: choose one such as 0.05")
    return ("validation", hold_out.validation), ("calibration", hold_out.calibration)
