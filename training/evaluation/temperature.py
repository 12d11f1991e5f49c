"""The softmax temperature that makes the probabilities match the frequencies on held-out images."""

import math

import numpy as np

from training.evaluation.metrics import Floats, Labels, softmax

_SMALLEST, _LARGEST = 0.05, 20.0
_STEPS = 40
"""Of the bisection, after which log(temperature) is known within 1e-11."""
_ROWS = 4096
"""Images at a time, so that 50,000 images of 1,000 classes take no gigabytes."""
_PRIOR_STD = 1.0
"""Standard deviation of the normal prior on log(temperature), whose mean is 0.

For a few images that the network classifies all correctly the NLL has no minimum: without the prior the temperature
falls to its bound and every probability becomes 1. The prior weighs as little as one image or two.
"""


def fit_temperature(logits: Floats, labels: Labels) -> float:
    """Return the most probable temperature, by bisection between 0.05 and 20, for labels int64 [N] and logits [N, K].

    Source: Guo et al., ICML 2017, with a weak prior added (docs/decisions/calibration-with-few-images.md).
    """
    low, high = math.log(_SMALLEST), math.log(_LARGEST)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _too_sharp(logits, labels, middle) else (low, middle)
    return math.exp((low + high) / 2)


def _too_sharp(logits: Floats, labels: Labels, log_temperature: float) -> bool:
    """Return whether a larger temperature is more probable: the sign of the derivative of NLL and prior."""
    temperature = math.exp(log_temperature)
    excess = 0.0
    for start in range(0, len(labels), _ROWS):
        rows = logits[start : start + _ROWS]
        expected = (softmax(rows, temperature) * rows).sum(axis=1)
        excess += float((expected - rows[np.arange(len(rows)), labels[start : start + _ROWS]]).sum())
    return excess / temperature > log_temperature / _PRIOR_STD**2
