"""Batch sizes that a device is prepared for: a batch is padded to the next one, so that no shape is ever new to it."""

from collections.abc import Sequence

import numpy as np

from models.contract import Pixels


def prepared_sizes(largest: int) -> tuple[int, ...]:
    """Powers of two below `largest`, and `largest` itself."""
    sizes = []
    size = 1
    while size < largest:
        sizes.append(size)
        size *= 2
    return *sizes, largest


def padded_size(count: int, sizes: Sequence[int]) -> int:
    """The smallest of the ascending `sizes` that holds `count` images; more than any does: `count` itself."""
    return next((size for size in sizes if size >= count), count)


def padded(images: Pixels, sizes: Sequence[int]) -> Pixels:
    """uint8 [N, H, W, C] with black images behind, up to the next size; the same array when N is one."""
    missing = padded_size(len(images), sizes) - len(images)
    return np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else images
