"""Sizes of the classes, and sampling weights that make rare classes as frequent as common ones."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.data.labels import shorten

_UNEVEN = 1.5
"""Ratio of the largest to the smallest class from which on the imbalance is reported."""


def class_counts(labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return the number of images of each class: int64 [K]."""
    return np.bincount(labels, minlength=classes).astype(np.int64)


def sampling_weights(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the probability of drawing each image, float64 [N] with sum 1; all classes that occur are equally
    likely.
    """
    each = 1.0 / np.bincount(labels)[labels] if len(labels) else np.zeros(0)
    return np.asarray(each / max(each.sum(), 1e-300), np.float64)


def describe_imbalance(labels: NDArray[np.int64], names: Sequence[str]) -> str | None:
    """Return a sentence on the sizes of the classes, or None when they are about equal."""
    counts = class_counts(labels, len(names))
    ratio = counts.max() / max(counts.min(), 1)
    if ratio < _UNEVEN:
        return None
    sizes = [f"{names[label]} {counts[label]:,}" for label in np.argsort(-counts, kind="stable")]
    return (
        f"classes are uneven, the largest has {ratio:.1f} times the images of the smallest: {shorten(sizes)}; "
        "--balance draws them equally often"
    )
