"""One softmax temperature for all classes, so that a probability of 0.8 is right four times in five."""

import math

import numpy as np

from training.evaluation.metrics import Floats, Labels, softmax

_SMALLEST, _LARGEST = 0.05, 20.0
_STEPS = 60
_PRIOR_STD = 1.0
"""Before any image is seen, log(temperature) is taken to be 0 with this standard deviation.

Of a few images that the network all gets right the NLL has no minimum: without the prior the temperature falls to its
bound and every probability becomes 1. The prior weighs as little as one image or two.
"""


def fit_temperature(logits: Floats, labels: Labels) -> float:
    """Temperature that best explains the labels int64 [N] of logits [N, K], by bisection between 0.05 and 20.

    Source: Guo et al., ICML 2017, with a weak prior added (docs/decisions/calibration-with-few-images.md).
    """
    low, high = math.log(_SMALLEST), math.log(_LARGEST)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _too_sharp(logits, labels, middle) else (low, middle)
    return math.exp((low + high) / 2)


def _too_sharp(logits: Floats, labels: Labels, log_temperature: float) -> bool:
    """Whether a larger temperature is more probable: the sign of the derivative of NLL and prior."""
    temperature = math.exp(log_temperature)
    expected = (softmax(logits, temperature) * logits).sum(axis=1)
    excess = expected - logits[np.arange(len(labels)), labels]
    return bool(excess.sum() / temperature > log_temperature / _PRIOR_STD**2)
