"""The batch sizes that a device is prepared for, so that no shape is new to it.

A batch is padded to the next of several sizes, or divided into runs of two sizes.
"""

from collections.abc import Sequence

import numpy as np

from models.contract import Pixels


def prepared_sizes(largest: int) -> tuple[int, ...]:
    """Return the powers of two below `largest`, and `largest` itself."""
    return *(1 << bit for bit in range(largest.bit_length()) if 1 << bit < largest), largest


def padded_size(count: int, sizes: Sequence[int]) -> int:
    """Return the smallest of the ascending `sizes` that holds `count` images, or `count` if none does."""
    return next((size for size in sizes if size >= count), count)


def padded(images: Pixels, sizes: Sequence[int]) -> Pixels:
    """Pad uint8 [N, H, W, C] with black images to the next size. Return the same array when N is a prepared size."""
    missing = padded_size(len(images), sizes) - len(images)
    return np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else images


def run_sizes(count: int, largest: int) -> list[int]:
    """Return the number of images of each run, where single images and batches of `largest` are prepared."""
    return [largest] * (count // largest) + [1] * (count % largest)
