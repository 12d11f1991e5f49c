"""How much of wide and tall pictures a centre crop never shows, and the options that show it."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.contract import Input, Preprocessing
from training.data.option_values import LARGEST_SIDE, InputSize

_FAR = 1.6
"""Ratio of a picture's proportions to the input's from which on a crop is pointed out; photos of 3:2 have 1.5."""
_SHARE = 0.1
"""Smallest share of such pictures in a data set that is worth a sentence."""
_AGREE = 0.9
"""Share of pictures whose shape a suggested input has to fit."""
_SMALL, _STEP, _SMALL_STEP = 112**2, 32, 8
"""Sides of a suggested input are multiples of 32 pixels, or of 8 where the input has fewer pixels than 112x112."""


def unseen_sentence(
    sizes: Sequence[tuple[int, int]], target: Input, preprocessing: Preprocessing, *, fixed_size: bool = False
) -> str:
    """Return a sentence where many pictures are cut to a small part; empty where they are not.

    sizes: width and height of each upright picture. fixed_size: suggest no other size of the input.
    """
    if preprocessing.resize != "crop":
        return ""
    shapes = np.array([width / height for width, height in sizes])
    excess = _ratio(shapes, target.width / target.height)
    far = excess > _FAR
    if not far.any() or far.mean() < _SHARE:
        return ""
    unseen = 1 - preprocessing.crop_fraction**2 / float(np.median(excess[far]))
    limit = f"{_FAR}:1" if target.width == target.height else f"the input of {target.width}x{target.height}"
    size = None if fixed_size else _fitting_size(shapes, target)
    return (
        f"{far.sum():,} of {len(sizes):,} pictures are {_which(target)} {limit}: a centre crop never sees "
        f"{unseen:.0%} of a typical one; --resize squash or pad keeps all of it"
        + ("" if size is None else f", or --size {size} fits their shape")
    ).replace("%", " %")


def _which(target: Input) -> str:
    square = target.width == target.height
    return "wider or taller than" if square else f"more than {_FAR} times as wide or tall as"


def _ratio(shapes: NDArray[np.float64], shape: float) -> NDArray[np.float64]:
    """Return how many times wider or taller each shape is than `shape`: 1 or more."""
    return np.asarray(np.maximum(shapes / shape, shape / shapes), np.float64)


def _fitting_size(shapes: NDArray[np.float64], target: Input) -> InputSize | None:
    """Return an input of about as many pixels that has the shape of most pictures; None where they differ."""
    shape = float(np.median(shapes))
    if (_ratio(shapes, shape) <= _FAR).mean() < _AGREE:
        return None
    pixels = target.width * target.height
    step = _STEP if pixels >= _SMALL else _SMALL_STEP
    shorter = max(step, round(math.sqrt(pixels / max(shape, 1 / shape)) / step) * step)
    longer = max(step, round(shorter * max(shape, 1 / shape) / step) * step)
    size = InputSize(longer, shorter) if shape > 1 else InputSize(shorter, longer)
    fits = max(size) <= LARGEST_SIDE and _ratio(np.array([size.width / size.height]), shape)[0] <= _FAR
    return size if fits else None
