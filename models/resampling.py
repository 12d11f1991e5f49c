"""Resizes a part of an image as Pillow does: with vector instructions where cykooz-resizer is installed."""

import math
import threading

import numpy as np
from PIL import Image

try:
    from cykooz_resizer import CropBox, FilterType, ResizeAlg, ResizeOptions, Resizer
except ImportError:  # there is no wheel for this machine, or the package was left out
    HAS_VECTORS = False
else:
    HAS_VECTORS = True
    _ALGORITHMS = {
        "bilinear": ResizeAlg.convolution(FilterType.bilinear),
        "bicubic": ResizeAlg.convolution(
            FilterType.catmull_rom
        ),  # Pillow's bicubic filter has Catmull and Rom's factor
    }

Box = tuple[float, float, float, float]
_MODES = ("L", "RGB")
_RADII = {"bilinear": 1.0, "bicubic": 2.0}
"""Reach of each filter to either side, in pixels of the larger of source and result."""
_LONGEST = 16_384
"""Longest side, in pixels, of an image that is resized with vector instructions.

Beyond it the filter itself takes memory, and the package ends the process where there is none; Pillow raises an error.
"""
_OF_THREAD = threading.local()
"""Holds a `Resizer` for each thread, which may not be shared."""


def resample(image: Image.Image, size: tuple[int, int], interpolation: str, box: Box) -> Image.Image:
    """Return the part `box` of `image` at `size`.

    image: loaded, of any mode that Pillow resizes. size: width and height in pixels. interpolation: name of a filter
    of Pillow in lower case. box: left, upper, right, lower in pixels of the image, not necessarily whole.
    Modes L and RGB of sides up to 16,384 pixels are resized with vector instructions where these are at hand. Bilinear
    values are within one of Pillow's, bicubic ones within two and all but few within one
    (tests/models/test_resampling.py). The other filters are Pillow's: `box` of the package differs at its edges.
    """
    if HAS_VECTORS and image.mode in _MODES and interpolation in _RADII and max(image.size) <= _LONGEST:
        return _with_vectors(image, size, interpolation, box)
    return image.resize(size, Image.Resampling[interpolation.upper()], box=box)


def _with_vectors(image: Image.Image, size: tuple[int, int], interpolation: str, box: Box) -> Image.Image:
    """Resize in two passes in the order of Pillow, each of which rounds to whole numbers as Pillow's does.

    Pillow holds the box in single precision, and takes its columns first unless the rows shrink by more than twice the
    number of pixels.
    """
    left, upper, right, lower = (np.float32(edge) for edge in box)
    columns = float(left), min(float(right - left), image.width - float(left))
    rows = float(upper), min(float(lower - upper), image.height - float(upper))
    shrinks_by = image.width - size[0], image.height - size[1]
    if shrinks_by[1] > max(0, 2 * shrinks_by[0]):
        narrow = _pass(image, (image.width, size[1]), interpolation, (0, float(image.width)), rows)
        return _pass(narrow, size, interpolation, columns, (0, float(size[1])))
    first, last = _rows_in_reach(image.height, size[1], interpolation, rows)
    narrow = _pass(image, (size[0], last - first), interpolation, columns, (float(first), float(last - first)))
    return _pass(narrow, size, interpolation, (0, float(size[0])), (rows[0] - first, rows[1]))


def _rows_in_reach(height: int, result: int, interpolation: str, rows: tuple[float, float]) -> tuple[int, int]:
    """Return the first row that the filter reads from, and the one after the last."""
    reach = _RADII[interpolation] * max(1.0, rows[1] / result) + 1
    return max(0, math.floor(rows[0] - reach)), min(height, math.ceil(rows[0] + rows[1] + reach))


def _pass(
    image: Image.Image,
    size: tuple[int, int],
    interpolation: str,
    columns: tuple[float, float],
    rows: tuple[float, float],
) -> Image.Image:
    """Resize the part of the image that begins at (columns[0], rows[0]) and is columns[1] wide and rows[1] high."""
    if not hasattr(_OF_THREAD, "resizer"):
        _OF_THREAD.resizer = Resizer()
    result = Image.new(image.mode, size)
    part = CropBox(columns[0], rows[0], columns[1], rows[1])
    _OF_THREAD.resizer.resize_pil(image, result, ResizeOptions(_ALGORITHMS[interpolation], crop_box=part))
    return result
