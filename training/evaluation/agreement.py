"""Distance between the probabilities of a variant and of fp32."""

import numpy as np
from numpy.typing import NDArray

from models.contract import Agreement

Rows = NDArray[np.float32]


def total_variation(first: Rows, second: Rows) -> NDArray[np.float64]:
    """Return half the sum of the absolute differences of probabilities [N, K]: float64 [N] from 0 to 1."""
    return np.asarray(np.abs(first.astype(np.float64) - second).sum(axis=1).clip(0, 2) / 2)


def same_class(first: Rows, second: Rows) -> float:
    """Return the share of the images [N, K] with the same most probable class."""
    return float((first.argmax(axis=1) == second.argmax(axis=1)).mean())


def compare(reference: Rows, variant: Rows, source: str) -> Agreement:
    """Return the agreement of the probabilities [N, K] of fp32 and of a variant on the same images."""
    distance = total_variation(reference, variant)
    return Agreement(
        source=source,
        images=len(reference),
        top1=same_class(reference, variant),
        mean_distance=float(distance.mean()),
        max_distance=float(distance.max()),
    )
