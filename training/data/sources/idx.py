"""IDX files, the format of MNIST, Fashion-MNIST and EMNIST, one by one and as a folder of a whole data set."""

import gzip
import hashlib
import re
import string
import zlib
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from models.contract import Pixels
from training.data.labelled_images import LabelledImages
from training.data.labels import shorten
from training.data.metadata import FASHION_MNIST, DatasetMetadata, emnist, own_name, unknown_dataset
from training.data.sources.arrays import Arrays
from training.errors import DatasetError

_LETTERS = tuple(string.ascii_lowercase)
_CHARACTERS = (*string.digits, *string.ascii_uppercase, *_LETTERS)
_UNMERGED = tuple(name for name in _CHARACTERS if name not in tuple("cijklmopsuvwxyz"))
"""Characters without the small letters that look like large ones."""
_EMNIST = {
    "byclass": _CHARACTERS,
    "bymerge": _UNMERGED,
    "balanced": _UNMERGED,
    "letters": _LETTERS,
    "digits": tuple(string.digits),
    "mnist": tuple(string.digits),
}
"""Names of the classes of each split of EMNIST, by number from 0."""
SPLITS: tuple[str, ...] = tuple(_EMNIST)
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Folder of the files of Debian's package dataset-fashion-mnist."""
_NAME = re.compile(
    r"(?:emnist-(?P<split>[a-z]+)-)?(?P<part>train|t10k|test)-(?:images|labels)[-.]idx[13]-ubyte(?:\.gz)?"
)
_FASHION_MNIST_LABELS = "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7"
"""sha256 of the 60,000 training labels as bytes: Fashion-MNIST is recognised by its contents, not by its folder."""
_UNSIGNED_BYTE = 8
_TYPES = {9: "signed bytes", 11: "16-bit integers", 12: "32-bit integers", 13: "floats", 14: "doubles"}
_MAX_BYTES = 8 << 30


def read_idx(folder: Path, part: str, classes: int = 256) -> LabelledImages:
    """Read `part` from `folder`, plain or gzipped grey images: `train`, `t10k`, or such as `emnist-letters-train`.

    EMNIST's files hold transposed images, which are turned upright; its letters are counted from 0, not from 1.
    Raises DatasetError for a file that is missing or damaged, for counts that differ, and for a label beyond `classes`.
    """
    images = _read_array(_find(folder, f"{part}-images", "idx3-ubyte"), dimensions=3)
    labels = _read_array(_find(folder, f"{part}-labels", "idx1-ubyte"), dimensions=1).astype(np.int64)
    if len(images) != len(labels):
        raise DatasetError(f"{folder}: {len(images)} images but {len(labels)} labels in {part}")
    if part.startswith("emnist-"):
        images, labels = upright(images), labels - ("letters" in part)
    if not images.size:
        raise DatasetError(f"{folder}: {part} has no images")
    if wrong := [label for label in (labels.min(), labels.max()) if not 0 <= label < classes]:
        raise DatasetError(
            f"{folder}: {part} has the label {wrong[0]}, but {classes} classes have labels from 0 to {classes - 1}"
        )
    return LabelledImages(images[..., None], labels)


def upright(images: Pixels) -> Pixels:
    """Transpose uint8 [N, H, W] of EMNIST, whose files store columns as rows."""
    return np.ascontiguousarray(images.swapaxes(1, 2))


def _find(folder: Path, stem: str, kind: str) -> Path:
    """Return the path of a file, also where its name has a dot instead of the last hyphen."""
    for name in (f"{stem}-{kind}", f"{stem}-{kind}.gz", f"{stem}.{kind}", f"{stem}.{kind}.gz"):
        if (folder / name).is_file():
            return folder / name
    raise DatasetError(f"{folder} has no {stem}-{kind} or {stem}-{kind}.gz: choose the folder with --data")


def _read_array(path: Path, dimensions: int) -> Pixels:
    """Read unsigned bytes of an IDX file: two zeros, type 8, number of dimensions, each size as big-endian uint32,
    data.
    """
    try:
        with _open(path) as stream:
            shape = _read_header(stream, path, dimensions)
            pixels = np.empty(shape, np.uint8)
            read = stream.readinto(pixels.data) if pixels.size else 0
            if read != pixels.size or stream.read(1):
                raise DatasetError(f"{path} is not as long as its header says: it was cut or changed")
            return pixels
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(f"{path} is not a whole gzip file: {error}") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error


def _read_header(stream: BufferedIOBase, path: Path, dimensions: int) -> tuple[int, ...]:
    header = stream.read(4 + 4 * dimensions)
    if header[:2] == b"\0\0" and header[2:3] and header[2] in _TYPES:
        raise DatasetError(f"{path} holds {_TYPES[header[2]]}: write labels and pixels as unsigned bytes, 0 to 255")
    if header[:4] != bytes((0, 0, _UNSIGNED_BYTE, dimensions)) or len(header) < 4 + 4 * dimensions:
        raise DatasetError(f"{path} is not an IDX file of unsigned bytes in {dimensions} dimensions")
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4", dimensions, offset=4))
    if int(np.prod(shape, dtype=object)) > _MAX_BYTES:
        raise DatasetError(f"{path} claims {' x '.join(map(str, shape))} bytes, more than 8 GiB: it was cut or changed")
    return shape


def _open(path: Path) -> BufferedIOBase:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def emnist_labels(split: str) -> tuple[str, ...]:
    """Return the names of the classes by number from 0; EMNIST itself counts letters from 1."""
    if split not in SPLITS:
        raise DatasetError(f"there is no split {split!r} of EMNIST: choose one of {', '.join(SPLITS)}")
    return _EMNIST[split]


def holds_idx(folder: Path) -> bool:
    """Return whether the folder has files with the names of MNIST or EMNIST."""
    return any(_NAME.fullmatch(path.name) for path in folder.iterdir())


def read_idx_folder(folder: Path, labels: tuple[str, ...] = ()) -> Arrays:
    """Read the training images, and the test images where there are some.

    labels: names of the classes in the order of their numbers. Without them Fashion-MNIST and EMNIST have their own
    names, and the classes of other sets are named by their numbers.
    Raises DatasetError for a folder with several sets, and for the faults that `read_idx` finds.
    """
    split, test = _set_in(folder)
    labels = labels or (emnist_labels(split) if split else ())
    train = read_idx(folder, f"{_prefix(split)}train", len(labels) or 256)
    metadata = _metadata(folder, train, labels, split)
    return Arrays(metadata, train, None if test is None else read_idx(folder, test, len(metadata.labels)))


def read_idx_test(folder: Path, classes: int) -> LabelledImages:
    """Read the test images of a folder. Raises DatasetError where it has none, and for the faults of `read_idx`."""
    _, test = _set_in(folder)
    if test is None:
        raise DatasetError(
            f"{folder} has training images only: add the files of the test images, t10k-images and so on"
        )
    return read_idx(folder, test, classes)


def _set_in(folder: Path) -> tuple[str, str | None]:
    """Return the split of EMNIST, or "" for another set, and the name of the test part, None without one."""
    names = [match for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    splits = sorted({match["split"] or "" for match in names})
    if len(splits) > 1:
        raise DatasetError(
            f"{folder} holds several sets: keep the files of one of {shorten([s or 'train' for s in splits])}"
        )
    test = min((match["part"] for match in names if match["part"] != "train"), default=None)
    return splits[0], None if test is None else f"{_prefix(splits[0])}{test}"


def _prefix(split: str) -> str:
    return f"emnist-{split}-" if split else ""


def _metadata(folder: Path, train: LabelledImages, labels: tuple[str, ...], split: str) -> DatasetMetadata:
    if split in SPLITS and labels == emnist_labels(split):
        return emnist(split, labels).with_origin(own_name(folder))
    if not labels and hashlib.sha256(train.labels.astype(np.uint8).tobytes()).hexdigest() == _FASHION_MNIST_LABELS:
        return FASHION_MNIST.with_origin(own_name(folder))
    return unknown_dataset(folder, labels or tuple(str(number) for number in range(int(train.labels.max()) + 1)))
