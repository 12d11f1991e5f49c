"""Duplicate images: harmless within a part, an error across parts, because they make the test too easy."""

import csv
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.contract import Pixels
from training.data.labelled_images import Indices
from training.errors import DatasetError

DUPLICATES = "duplicates.csv"
"""File in the folder of a run with all pairs of equal images."""
_LISTED = 20
Digests = NDArray[np.bytes_]
"""sha256 of N images."""


def to_digests(digests: list[bytes]) -> Digests:
    """Return sha256 digests as an array."""
    return np.array(digests, np.dtype(("S", hashlib.sha256().digest_size)))


def digests_of(images: Pixels) -> Digests:
    """Return the sha256 of each image of uint8 [N, H, W, C].

    0.2 s for 70,000 images of 28x28, five times as fast as `np.unique` over the rows.
    """
    return to_digests([hashlib.sha256(row).digest() for row in np.ascontiguousarray(images)])


def groups(digests: Digests) -> tuple[Indices, Indices]:
    """Group equal images.

    Returns the index of the first image of each group, in order [G], and the group of each image [N].
    """
    _, first, group = np.unique(digests, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[group]


def count_copies(digests: Digests, parts: NDArray[np.str_]) -> int:
    """Return how many images equal an earlier image of their part."""
    return sum(int((parts == part).sum()) - len(np.unique(digests[parts == part])) for part in np.unique(parts))


def count_disputed(digests: Digests, labels: NDArray[np.int64]) -> int:
    """Return how many images have another label than the first image that equals them: one of the two is wrong."""
    first, group = groups(digests)
    return int((labels != labels[first][group]).sum())


@dataclass(frozen=True)
class DuplicatePair:
    """Two equal images, the earlier one first, with the names of their classes and the parts that they are given in."""

    first: str
    second: str
    first_label: str
    second_label: str
    first_part: str
    second_part: str

    @property
    def kind(self) -> str:
        """`two parts`, `two labels`, or `copy` within a part and a class; the worst that is true."""
        if self.first_part != self.second_part:
            return "two parts"
        return "copy" if self.first_label == self.second_label else "two labels"

    def __str__(self) -> str:
        if self.first == self.second:
            return f"{self.first} is listed {self._twice()}"
        if self.kind == "two parts":
            return f"{self.first} ({self.first_part}) and {self.second} ({self.second_part}) are the same image"
        if self.kind == "two labels":
            return f"{self.first} is {self.first_label}, {self.second} is {self.second_label}"
        return f"{self.first} and {self.second}"

    def _twice(self) -> str:
        if self.kind == "two parts":
            return f"for {self.first_part} and for {self.second_part}"
        return f"as {self.first_label} and as {self.second_label}" if self.kind == "two labels" else "twice"


class LeakedImagesError(DatasetError):
    """Raised when images are in two parts. pairs: all of them; `listed()` of them are in the message."""

    def __init__(self, pairs: Sequence[DuplicatePair]) -> None:
        self.pairs = tuple(pairs)
        super().__init__("\n".join((_leaks(len(self.pairs)), *listed(self.pairs))))


def _leaks(count: int) -> str:
    what, each = ("one image is", "it") if count == 1 else (f"{count:,} images are", "each")
    return f"{what} in two parts: remove {each} from one of the two, or the result is too good to be true"


def listed(pairs: Sequence[DuplicatePair]) -> list[str]:
    """Return a line for each of the first pairs, and one that counts the others."""
    more = len(pairs) - _LISTED
    return [f"  {pair}" for pair in pairs[:_LISTED]] + ([f"  and {more:,} more"] if more > 0 else [])


def find_pairs(
    digests: Digests,
    parts: NDArray[np.str_],
    labels: NDArray[np.int64],
    *,
    names: Sequence[str],
    place: Callable[[int], str],
) -> tuple[DuplicatePair, ...]:
    """Return each image that equals an earlier one, with the first such image, in their order.

    names: of the classes; place: returns where an image is.
    """
    first, group = groups(digests)
    earlier = first[group]
    return tuple(
        DuplicatePair(
            place(one), place(other), names[labels[one]], names[labels[other]], str(parts[one]), str(parts[other])
        )
        for other in np.flatnonzero(earlier != np.arange(len(digests))).tolist()
        for one in (int(earlier[other]),)
    )


def refuse_across(pairs: Sequence[DuplicatePair]) -> None:
    """Raise LeakedImagesError for equal images in different parts."""
    if leaks := [pair for pair in pairs if pair.kind == "two parts"]:
        raise LeakedImagesError(leaks)


def write_pairs(path: Path, pairs: Sequence[DuplicatePair]) -> None:
    """Write all pairs as a CSV table with a header. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [field.name for field in fields(DuplicatePair)]
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["kind", *columns])
        writer.writerows([pair.kind, *(getattr(pair, column) for column in columns)] for pair in pairs)
