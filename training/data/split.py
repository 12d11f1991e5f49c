"""Which images train, which stop the training early, and which calibrate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.images import Indices
from training.errors import DatasetError


@dataclass(frozen=True)
class Split:
    """Indices into the images that were split; no two parts share one."""

    train: Indices
    validation: Indices
    calibration: Indices


def stratified_split(
    labels: NDArray[np.int64], validation: float, calibration: float, seed: int, names: Sequence[str] = ()
) -> Split:
    """Split so that every part has the classes in the same proportions. Fractions of the whole; the rest is training.

    A part of a fraction above zero gets at least one image of each class. `names` of the classes are for the error.
    Raises DatasetError for fractions that leave nothing, and for a class too small to be in every part.
    """
    if not (min(validation, calibration) >= 0 and validation + calibration < 1):
        raise DatasetError(f"validation {validation:g} and calibration {calibration:g} leave nothing to train on")
    random = np.random.default_rng(seed)
    parts: tuple[list[Indices], ...] = ([], [], [])
    for label in np.unique(labels):
        indices = random.permutation(np.flatnonzero(labels == label))
        held_out = [_share(len(indices), fraction) for fraction in (validation, calibration)]
        if sum(held_out) >= len(indices):
            name = repr(names[label]) if names else label
            raise DatasetError(
                f"class {name} has {len(indices)} different images, too few to hold out {sum(held_out)} "
                "for validation and calibration: add images"
            )
        for part, piece in zip(parts, np.split(indices, np.cumsum(held_out)), strict=True):
            part.append(piece)
    first, second, rest = (np.sort(np.concatenate(part)) for part in parts)
    return Split(train=rest, validation=first, calibration=second)


def _share(count: int, fraction: float) -> int:
    return max(1, round(count * fraction)) if fraction else 0
