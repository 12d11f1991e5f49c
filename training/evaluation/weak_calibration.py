"""The limits below which a calibration is called weak: too few images to conclude much from."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

IMAGES = 200
"""Fewest images of a calibration that is not weak: the coverage of a prediction set for 0.9 then scatters by about two
points (docs/decisions/calibration-with-few-images.md).
"""
IMAGES_OF_A_CLASS = 10
"""Fewest images of each class."""


def weakness(images: int, of_classes: NDArray[np.int64], names: Sequence[str] = ()) -> str | None:
    """Return why little can be concluded from a calibration, with the count, or None where there were enough images.

    images: number of all images. of_classes: int64 [K], images of each class. names: labels of the classes, for the
    text.
    """
    if images < IMAGES:
        return f"fitted on {images:,} {plural(images)}; at least {IMAGES} are needed"
    fewest = int(of_classes.argmin())
    count = int(of_classes[fewest])
    if count >= IMAGES_OF_A_CLASS:
        return None
    name = f"{names[fewest]!r}" if names else f"{fewest}"
    others = int((of_classes < IMAGES_OF_A_CLASS).sum()) - 1
    more = f" (and {others:,} more {'class has' if others == 1 else 'classes have'} fewer than that)" if others else ""
    return f"class {name} has {count} {plural(count)}; at least {IMAGES_OF_A_CLASS} are needed{more}"


def plural(count: int) -> str:
    """Return "image" or "images"."""
    return "image" if count == 1 else "images"
