"""Data sets known by name: downloaded by torchvision, installed by Debian, or part of scikit-learn."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from sklearn.model_selection import train_test_split
from torchvision.datasets import CIFAR10, CIFAR100, EMNIST, KMNIST, MNIST, FashionMNIST

from models.contract import Colour, Input, Preprocessing
from training.data import metadata
from training.data.labelled_images import LabelledImages, evaluation_pixels
from training.data.metadata import DatasetMetadata
from training.data.sources.arrays import Arrays
from training.data.sources.idx import DEBIAN, SPLITS, emnist_labels, read_idx_folder, upright
from training.data.sources.packaged_images import read_digits
from training.errors import DatasetError

_GREY = {
    "mnist": (MNIST, metadata.MNIST),
    "fashion-mnist": (FashionMNIST, metadata.FASHION_MNIST),
    "kmnist": (KMNIST, metadata.KMNIST),
}
_COLOUR = {"cifar10": CIFAR10, "cifar100": CIFAR100}
NAMES = (*_GREY, *(f"emnist-{split}" for split in SPLITS), *_COLOUR, "digits")
_DOWNLOAD = "torchvision's download"
_STALLED_S = 30.0
_DIGITS_TEST = 0.2


def open_named(name: str, cache: Path, labels: tuple[str, ...] = ()) -> Arrays:
    """Open a data set by its name, one of NAMES.

    Downloads are kept in `cache`; `labels` replace the names of the classes.
    Raises DatasetError for a download that fails, and for a wrong number of labels.
    """
    arrays = _open(name, cache)
    if labels and len(labels) != len(arrays.metadata.labels):
        raise DatasetError(f"{name} has {len(arrays.metadata.labels)} classes, but {len(labels)} labels are given")
    return replace(arrays, metadata=replace(arrays.metadata, labels=labels or arrays.metadata.labels))


def _open(name: str, cache: Path) -> Arrays:
    if name == "digits":
        return _digits()
    if name == "fashion-mnist" and DEBIAN.is_dir():
        known = metadata.FASHION_MNIST.with_origin("Debian's package dataset-fashion-mnist")
        return replace(read_idx_folder(DEBIAN), metadata=known, published=True)
    with _downloading(name, cache):
        if name in _COLOUR:
            return _colour(*(_COLOUR[name](cache, train=train, download=True) for train in (True, False)))
        if name in _GREY:
            kind, known = _GREY[name]
            return _grey(known, *(kind(cache, train=train, download=True) for train in (True, False)))
        split = name.removeprefix("emnist-")
        known = metadata.emnist(split, emnist_labels(split))
        return _grey(known, *(EMNIST(cache, split, train=train, download=True) for train in (True, False)))


def _colour(train: Any, test: Any) -> Arrays:
    first, second = (LabelledImages(part.data, np.array(part.targets, np.int64)) for part in (train, test))
    known = metadata.cifar(tuple(train.classes)).with_origin(_DOWNLOAD)
    return Arrays(known, first, second, published=True)


def _grey(known: DatasetMetadata, *parts: Any) -> Arrays:
    """Return grey images. Those of EMNIST are transposed, as in its files, and its letters count from 1."""
    images = [part.data.numpy() for part in parts]
    if turned := isinstance(parts[0], EMNIST):
        images = [upright(each) for each in images]
    first = int(turned and parts[0].split == "letters")
    labels = [part.targets.numpy().astype(np.int64) - first for part in parts]
    train, test = (LabelledImages(i[..., None], n) for i, n in zip(images, labels, strict=True))
    return Arrays(known.with_origin(_DOWNLOAD), train, test, published=True)


@contextmanager
def _downloading(name: str, cache: Path) -> Iterator[None]:
    """Translate the errors of a download, and end it when the server stops answering.

    torchvision's output goes to stderr.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_STALLED_S)
    try:
        with redirect_stdout(sys.stderr), exclusive_lock(cache):
            yield
    except Exception as error:  # URLError, RuntimeError for a wrong checksum, readers' errors for a cut file
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise DatasetError(
            f"{name} could not be downloaded into {cache} ({reason}): check the network and delete what is cut there, "
            "or download it elsewhere and give its folder as the source"
        ) from error
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def exclusive_lock(cache: Path) -> Iterator[None]:
    """Hold the lock of `cache` inside the block: one process downloads, the others wait and use its files.

    The kernel releases the lock of a process that dies. A folder that cannot be written takes no downloads, so there is
    nothing to lock.
    """
    with ExitStack() as held:
        with suppress(OSError):
            cache.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(cache / ".lock"))
        yield


def _digits() -> Arrays:
    """Enlarge 8x8 pixels to 28x28. The test part, a fifth of each class, is the same for every seed."""
    small = read_digits()
    target = Input(colour=Colour.L, height=28, width=28)
    large = evaluation_pixels(small.images, target, Preprocessing(resize="squash", background=(0, 0, 0)))
    whole = LabelledImages(large, small.labels)
    train, test = train_test_split(np.arange(len(whole)), test_size=_DIGITS_TEST, stratify=whole.labels, random_state=0)
    return Arrays(metadata.DIGITS, whole.take(np.sort(train)), whole.take(np.sort(test)))
