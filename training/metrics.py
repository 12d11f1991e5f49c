"""How good probabilities are: accuracy, negative log-likelihood, calibration error, confusion."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Labels = NDArray[np.int64]
ECE_BINS = 15


def softmax(logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """float64 [N, K] of logits [N, K]."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def accuracy(probabilities: Floats, labels: Labels, k: int = 1) -> float:
    """Share of images whose true class is among the `k` most probable."""
    true = probabilities[np.arange(len(labels)), labels]
    return float(((probabilities > true[:, None]).sum(axis=1) < k).mean())


def negative_log_likelihood(probabilities: Floats, labels: Labels) -> float:
    """Mean of -log p(true class), in nats."""
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(true, np.finfo(np.float32).tiny)).mean())


def expected_calibration_error(probabilities: Floats, labels: Labels, bins: int = ECE_BINS) -> float:
    """Mean distance between confidence and accuracy over bins of equally many images, ordered by confidence.

    Equal mass, since equal widths leave most bins of a good network empty. Source: Nixon et al., 2019.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    pieces = np.array_split(np.argsort(confidence, kind="stable"), min(bins, len(labels)))
    gaps = [len(piece) * abs(confidence[piece].mean() - correct[piece].mean()) for piece in pieces]
    return float(sum(gaps) / len(labels))


def confusion_matrix(probabilities: Floats, labels: Labels) -> NDArray[np.int64]:
    """Counts [K, K]: row is the true class, column the most probable one."""
    classes = probabilities.shape[1]
    return np.bincount(labels * classes + probabilities.argmax(axis=1), minlength=classes**2).reshape(classes, classes)
