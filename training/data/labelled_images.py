"""Labelled images in memory, and the pixels that evaluation sees."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.contract import Colour, Input, Pixels, Preprocessing, preprocess
from training.data.parallel_map import parallel_map

Indices = NDArray[np.int64]
_CHUNK = 4096
_MOST, _PIXELS = 256, 1 << 21
_ROWS = 64
"""Images per task of a thread: preprocessing one tiny image costs less than handing it to a thread."""


@dataclass(frozen=True)
class LabelledImages:
    """images: uint8 [N, H, W, C], C 1 for grey and 3 for RGB; labels: int64 [N], from 0.

    names: N files in words, or none where the images are parts of a larger file.
    """

    images: Pixels
    labels: NDArray[np.int64]
    names: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Indices) -> Self:
        """Return the images and labels at `indices`."""
        names = [self.names[index] for index in indices] if self.names else ()
        return type(self)(self.images[indices], self.labels[indices], names)


def evaluation_batch(images: Pixels) -> int:
    """Return how many images of uint8 [N, H, W, C] to evaluate at once: fewer large ones, since activations grow."""
    height, width = images.shape[1:3]
    return max(1, min(_MOST, _PIXELS // int(height * width)))


def to_picture(pixels: Pixels) -> Image.Image:
    """Return the Pillow image of uint8 [H, W, C]."""
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def evaluation_pixels(
    images: Pixels, target: Input, preprocessing: Preprocessing, room: Pixels | None = None
) -> Pixels:
    """Preprocess uint8 [N, H, W, C] to uint8 [N, height, width, channels], exactly as the service does.

    Images that `preprocess` leaves unchanged are returned themselves, not copied; others are written into `room`.
    """
    if is_identity(images, target, preprocessing):
        return images
    pixels = np.empty((len(images), *target.shape), np.uint8) if room is None else room

    def fill(start: int) -> None:
        for row in range(start, min(start + _ROWS, len(images))):
            pixels[row] = preprocess(to_picture(images[row]), target, preprocessing)

    deque(parallel_map(fill, range(0, len(images), _ROWS)), maxlen=0)
    return pixels


def is_identity(images: Pixels, target: Input, preprocessing: Preprocessing) -> bool:
    """Return whether `preprocess` leaves these images unchanged: the target's size and colours, and nothing is
    cropped.
    """
    return images.shape[1:] == target.shape and (preprocessing.resize != "crop" or preprocessing.crop_fraction == 1)


def in_colour(images: Pixels, colour: Colour) -> Pixels:
    """Convert all images to the channels of `colour`, as Pillow does (ITU-R BT.601 luma)."""
    if images.shape[3] == colour.channels:
        return images
    if colour is Colour.RGB:
        return np.repeat(images, 3, axis=3)
    grey = np.empty((*images.shape[:3], 1), np.uint8)
    for start in range(0, len(images), _CHUNK):
        wide = images[start : start + _CHUNK].astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32)
        grey[start : start + _CHUNK, :, :, 0] = (wide + 0x8000) >> 16
    return grey


def per_class_examples(labels: NDArray[np.int64], classes: Iterable[int]) -> Indices:
    """Return the index of the first image of each class, in the order of `classes`."""
    return np.array([np.flatnonzero(labels == label)[0] for label in classes], np.int64)
