"""Labelled images from IDX files, the format of MNIST and its descendants, and their split."""

import gzip
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.contract import Input, Pixels, Preprocessing, preprocess
from training.errors import DatasetError

Part = Literal["train", "t10k"]
Indices = NDArray[np.int64]
_UNSIGNED_BYTE = 8


@dataclass(frozen=True)
class LabelledImages:
    """images: uint8 [N, H, W], grey; labels: int64 [N], from 0."""

    images: Pixels
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Indices) -> Self:
        return type(self)(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Split:
    """Indices into the training images; no two parts share one."""

    train: Indices
    validation: Indices
    calibration: Indices


def read_dataset(folder: Path, part: Part, classes: int) -> LabelledImages:
    """Read `part` from `folder`, plain or gzipped.

    Raises DatasetError for a file that is missing or damaged, for counts that differ, and for a label beyond `classes`.
    """
    images = _read_idx(_find(folder, f"{part}-images-idx3-ubyte"), dimensions=3)
    labels = _read_idx(_find(folder, f"{part}-labels-idx1-ubyte"), dimensions=1)
    if len(images) != len(labels):
        raise DatasetError(f"{folder}: {len(images)} images but {len(labels)} labels in {part}")
    if not len(labels) or labels.max() >= classes:
        raise DatasetError(f"{folder}: {part} needs images, and labels from 0 to {classes - 1}")
    return LabelledImages(images, labels.astype(np.int64))


def stratified_split(labels: NDArray[np.int64], validation: float, calibration: float, seed: int) -> Split:
    """Split so that every part has the classes in the same proportions. Fractions of the whole; the rest is training.

    Raises DatasetError when a class is too small to be in every part.
    """
    random = np.random.default_rng(seed)
    parts: tuple[list[Indices], ...] = ([], [], [])
    for label in np.unique(labels):
        indices = random.permutation(np.flatnonzero(labels == label))
        ends = np.cumsum([round(len(indices) * validation), round(len(indices) * calibration)])
        for part, piece in zip(parts, np.split(indices, ends), strict=True):
            if not len(piece):
                raise DatasetError(f"class {label} has {len(indices)} images, too few for three parts")
            part.append(piece)
    held_out, calibrating, training = (np.sort(np.concatenate(part)) for part in parts)
    return Split(training, held_out, calibrating)


def evaluation_pixels(images: Pixels, target: Input, how: Preprocessing) -> Pixels:
    """uint8 [N, H, W] -> uint8 [N, height, width, channels], each the way the service would see it."""
    return np.stack([preprocess(Image.fromarray(image), target, how) for image in images])


def per_class_examples(labels: NDArray[np.int64], classes: Iterable[int]) -> Indices:
    """Index of the first image of each class, in the order of `classes`."""
    return np.array([np.flatnonzero(labels == label)[0] for label in classes], np.int64)


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise DatasetError(
        f"{folder} has no {name} or {name}.gz: choose the folder with --data "
        "(on Debian: apt-get install dataset-fashion-mnist)"
    )


def _read_idx(path: Path, dimensions: int) -> Pixels:
    """Unsigned bytes of an IDX file: two zeros, type 8, number of dimensions, each size as big-endian uint32, data."""
    content = _read(path)
    header = 4 + 4 * dimensions
    if content[:4] != bytes((0, 0, _UNSIGNED_BYTE, dimensions)) or len(content) < header:
        raise DatasetError(f"{path} is not an IDX file of unsigned bytes in {dimensions} dimensions")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", dimensions, offset=4))
    expected = header + int(np.prod(shape, dtype=object))
    if len(content) != expected:
        raise DatasetError(f"{path} has {len(content)} bytes where its header says {expected}: it was cut or changed")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()


def _read(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(f"{path} is not a whole gzip file: {error}") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
