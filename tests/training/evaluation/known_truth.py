"""Classifiers whose true probabilities are known, since the labels are drawn from them."""

import numpy as np
from numpy.typing import NDArray

from training.evaluation.metrics import softmax

CLASSES = 6


def drawn(count: int, sharpness: float = 1.0, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits [N, 6] that are `sharpness` times too large, and labels drawn from the true probabilities."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=2.0, size=(count, CLASSES))
    below = softmax(logits).cumsum(axis=1) < random.random((count, 1))
    return logits * sharpness, below[:, :-1].sum(axis=1)
