"""A folder of IDX files as a source: which set it holds, and what its classes are called."""

import hashlib
import re
from pathlib import Path

import numpy as np

from training.data.arrays import Arrays
from training.data.emnist import SPLITS, emnist_labels
from training.data.facts import FASHION_MNIST, DatasetFacts, emnist, unknown_dataset
from training.data.idx import read_idx
from training.data.images import LabelledImages
from training.data.labels import short
from training.errors import DatasetError

_NAME = re.compile(
    r"(?:emnist-(?P<split>[a-z]+)-)?(?P<part>train|t10k|test)-(?:images|labels)[-.]idx[13]-ubyte(?:\.gz)?"
)
_FASHION_MNIST_LABELS = "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7"
"""sha256 of its 60,000 training labels as bytes: the set is known by its contents, whatever its folder is called."""


def holds_idx(folder: Path) -> bool:
    """Whether there are files named as MNIST or EMNIST names them."""
    return any(_NAME.fullmatch(path.name) for path in folder.iterdir())


def read_idx_folder(folder: Path, labels: tuple[str, ...] = ()) -> Arrays:
    """Training images, and test images where there are some. `labels` name the classes in the order of their numbers.

    Without them Fashion-MNIST and EMNIST bring their own names, and others have the numbers themselves.
    Raises DatasetError for a folder with several sets, and for what `read_idx` finds.
    """
    names = [match for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    splits = sorted({match["split"] or "" for match in names})
    if len(splits) > 1:
        raise DatasetError(
            f"{folder} holds several sets: keep the files of one of {short([s or 'train' for s in splits])}"
        )
    prefix, parts = f"emnist-{splits[0]}-" if splits[0] else "", {match["part"] for match in names}
    labels = labels or (emnist_labels(splits[0]) if prefix else ())
    train = read_idx(folder, f"{prefix}train", len(labels) or 256)
    facts = _facts(folder, train, labels, splits[0])
    test = [read_idx(folder, f"{prefix}{part}", len(facts.labels)) for part in sorted(parts - {"train"})[:1]]
    return Arrays(facts, train, test[0] if test else None)


def _facts(folder: Path, train: LabelledImages, labels: tuple[str, ...], split: str) -> DatasetFacts:
    if split in SPLITS and labels == emnist_labels(split):
        return emnist(split, labels).coming_from(str(folder))
    if not labels and hashlib.sha256(train.labels.astype(np.uint8).tobytes()).hexdigest() == _FASHION_MNIST_LABELS:
        return FASHION_MNIST.coming_from(str(folder))
    return unknown_dataset(str(folder), labels or tuple(str(number) for number in range(int(train.labels.max()) + 1)))
