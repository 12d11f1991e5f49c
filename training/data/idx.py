"""IDX files, the format of MNIST and its descendants."""

import gzip
import zlib
from pathlib import Path
from typing import Literal

import numpy as np

from models.contract import Pixels
from training.data.images import LabelledImages
from training.errors import DatasetError

Part = Literal["train", "t10k"]
_UNSIGNED_BYTE = 8


def read_idx(folder: Path, part: Part, classes: int) -> LabelledImages:
    """Read `part`, grey images, from `folder`, plain or gzipped.

    Raises DatasetError for a file that is missing or damaged, for counts that differ, and for a label beyond `classes`.
    """
    images = _read_array(_find(folder, f"{part}-images-idx3-ubyte"), dimensions=3)
    labels = _read_array(_find(folder, f"{part}-labels-idx1-ubyte"), dimensions=1)
    if len(images) != len(labels):
        raise DatasetError(f"{folder}: {len(images)} images but {len(labels)} labels in {part}")
    if not len(labels) or labels.max() >= classes:
        raise DatasetError(f"{folder}: {part} needs images, and labels from 0 to {classes - 1}")
    return LabelledImages(images[..., None], labels.astype(np.int64))


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise DatasetError(
        f"{folder} has no {name} or {name}.gz: choose the folder with --data "
        "(on Debian: apt-get install dataset-fashion-mnist)"
    )


def _read_array(path: Path, dimensions: int) -> Pixels:
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
