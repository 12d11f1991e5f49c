"""Metrics of probabilities: accuracy, negative log-likelihood, calibration error, confusion."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.contract import RELIABILITY_BINS, ReliabilityBin

Floats = NDArray[np.floating]
Labels = NDArray[np.int64]
_Z = 1.96
"""Standard deviations that hold 95 % of a normal distribution."""


def softmax(logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """Return float64 [N, K] of logits [N, K]."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def accuracy(probabilities: Floats, labels: Labels, k: int = 1) -> float:
    """Return the share of images whose true class is among the `k` most probable.

    Classes of equal probability rank by number, as in the service, so a network that always answers the same is right
    for one class only. An image with a NaN counts as wrong.
    """
    true = probabilities[np.arange(len(labels)), labels][:, None]
    before = (probabilities == true) & (np.arange(probabilities.shape[1]) < labels[:, None])
    return float(((~(probabilities <= true) | before).sum(axis=1) < k).mean())


def accuracy_interval(accuracy: float, images: int) -> tuple[float, float]:
    """Return the 95 % interval of an accuracy measured on `images` images. Source: Wilson, JASA 1927."""
    spread = _Z**2 / images
    centre = accuracy + spread / 2
    half = float((spread * accuracy * (1 - accuracy) + spread**2 / 4) ** 0.5)
    return (centre - half) / (1 + spread), (centre + half) / (1 + spread)


def negative_log_likelihood(probabilities: Floats, labels: Labels) -> float:
    """Return the mean of -log p(true class), in nats."""
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(true, np.finfo(np.float32).tiny)).mean())


def expected_calibration_error(probabilities: Floats, labels: Labels, bins: int = RELIABILITY_BINS) -> float:
    """Return the mean distance between confidence and accuracy over bins of equal width.

    Source: Guo et al., ICML 2017.
    """
    return _calibration_error(reliability_bins(probabilities, labels, bins))


def adaptive_calibration_error(probabilities: Floats, labels: Labels, bins: int = RELIABILITY_BINS) -> float:
    """Return the calibration error over bins of equally many images; equal widths put most images of a good network
    into one.

    Images of the same confidence share a bin, so there are fewer bins where many are equal.
    Source: Nguyen and O'Connor, EMNLP 2015; "adaptive ECE" in Mukhoti et al., NeurIPS 2020.
    """
    upper = np.quantile(_confidence(probabilities), np.linspace(0, 1, bins + 1)[1:])
    return _calibration_error(_bins(probabilities, labels, np.unique([0.0, *upper])))


def reliability_bins(probabilities: Floats, labels: Labels, bins: int = RELIABILITY_BINS) -> tuple[ReliabilityBin, ...]:
    """Return the bins of the reliability diagram, of equal width and by rising confidence, without empty ones."""
    return _bins(probabilities, labels, np.linspace(0, 1, bins + 1))


def confusion_matrix(probabilities: Floats, labels: Labels) -> NDArray[np.int64]:
    """Return counts [K, K]: the row is the true class, the column the most probable one."""
    classes = probabilities.shape[1]
    return np.bincount(labels * classes + probabilities.argmax(axis=1), minlength=classes**2).reshape(classes, classes)


def _bins(probabilities: Floats, labels: Labels, edges: Floats) -> tuple[ReliabilityBin, ...]:
    """Return bins that are open below and closed above; values on or beyond the outermost edges are in the outermost
    bins.
    """
    confidence = _confidence(probabilities)
    right = probabilities.argmax(axis=1) == labels
    places = np.digitize(confidence, edges[1:-1], right=True)
    return tuple(
        ReliabilityBin(
            lower=round(float(edges[place]), 6),
            upper=round(float(edges[place + 1]), 6),
            confidence=round(float(confidence[inside].mean()), 6),
            accuracy=round(float(right[inside].mean()), 6),
            images=int(inside.sum()),
        )
        for place in np.unique(places)
        for inside in (places == place,)
    )


def _confidence(probabilities: Floats) -> NDArray[np.float64]:
    """Return the largest probability of each image: float64 [N]."""
    return np.asarray(probabilities.max(axis=1).astype(np.float64))


def _calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    gaps = sum(part.images * abs(part.confidence - part.accuracy) for part in bins)
    return gaps / sum(part.images for part in bins)
