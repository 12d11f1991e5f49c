"""The batch sizes that a device is prepared for.

A batch is padded to the next one, so that no shape is new to the device.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from models.contract import Pixels

_WORTH_PADDING = 0.75
"""Share of a prepared batch from which on the rest of a batch is padded to it, and not run image by image.

An image costs 0.85 of a single run in batches of eight where the network is large, and 0.4 where it is small.
"""


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


def run_sizes(count: int, largest: int) -> Iterator[int]:
    """Yield the number of images of each run, where single images and batches of `largest` are prepared.

    A run of more than one image and fewer than `largest` is to be padded to `largest`.
    """
    for _ in range(count // largest):
        yield largest
    rest = count % largest
    if rest > 1 and rest >= _WORTH_PADDING * largest:
        yield rest
    else:
        yield from (1,) * rest
