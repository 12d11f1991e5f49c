"""Duplicate images: harmless within a part, an error across parts, because they make the test too easy."""

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.contract import Pixels
from training.data.labelled_images import Indices
from training.errors import DatasetError

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


def across(digests: Digests, parts: NDArray[np.str_]) -> tuple[int, int] | None:
    """Return the indices of two equal images in different parts, or None."""
    first, group = groups(digests)
    strangers = np.flatnonzero(parts != parts[first][group])
    return (int(first[group[strangers[0]]]), int(strangers[0])) if len(strangers) else None


def refuse_across(digests: Digests, parts: NDArray[np.str_], name: Callable[[int], str]) -> None:
    """Raise DatasetError for two equal images in different parts. name: returns where an image is."""
    if pair := across(digests, parts):
        one, other = pair
        raise DatasetError(
            f"{name(one)} ({parts[one]}) and {name(other)} ({parts[other]}) are the same image: "
            "remove it from one of the two parts, or the result is too good to be true"
        )
