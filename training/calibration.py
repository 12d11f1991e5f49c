"""Probabilities that mean what they say: a softmax temperature, and thresholds for prediction sets."""

import math

import numpy as np
from numpy.typing import NDArray

from models.contract import Calibration, PredictionSets
from training.metrics import Floats, Labels, expected_calibration_error, negative_log_likelihood, softmax

COVERAGES = (0.8, 0.9, 0.95, 0.99)
_SMALLEST, _LARGEST = 0.05, 20.0
_STEPS = 60
_MARGIN = 1e-6
"""Added to each threshold, so that the class which decides it is inside the set also after rounding."""


def calibrate(logits: Floats, labels: Labels, fitted_on: str) -> Calibration:
    """Fit temperature and thresholds to logits [N, K] of images that training never saw."""
    temperature = fit_temperature(logits, labels)
    before, after = softmax(logits), softmax(logits, temperature)
    return Calibration(
        temperature=temperature,
        fitted_on=fitted_on,
        images=len(labels),
        nll_before=negative_log_likelihood(before, labels),
        nll_after=negative_log_likelihood(after, labels),
        ece_before=expected_calibration_error(before, labels),
        ece_after=expected_calibration_error(after, labels),
        prediction_sets=PredictionSets(
            fitted_on=fitted_on,
            images=len(labels),
            thresholds={str(coverage): threshold(after, labels, coverage) for coverage in COVERAGES},
        ),
        note="One temperature for all classes, with the smallest NLL on held-out images; it changes no ranking.",
    )


def fit_temperature(logits: Floats, labels: Labels) -> float:
    """Temperature with the smallest NLL on logits [N, K], by bisection: NLL is convex in 1 / temperature."""
    low, high = math.log(_SMALLEST), math.log(_LARGEST)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _too_sharp(logits, labels, math.exp(middle)) else (low, middle)
    return math.exp((low + high) / 2)


def _too_sharp(logits: Floats, labels: Labels, temperature: float) -> bool:
    """Whether a larger temperature lowers the NLL: the mean logit under the softmax is above that of the true class."""
    expected = (softmax(logits, temperature) * logits).sum(axis=1)
    return bool((expected - logits[np.arange(len(labels)), labels]).mean() > 0)


def threshold(probabilities: Floats, labels: Labels, coverage: float) -> float:
    """Sum of probabilities that a set must reach to hold the true class with `coverage`, whatever the distribution.

    The n + 1 in the rank is the correction for a finite sample. Source: Romano, Sesia and Candes, NeurIPS 2020,
    without randomization: an image is covered when the classes above the true one sum to less than the threshold.
    """
    rank = math.ceil((len(labels) + 1) * coverage)
    if rank > len(labels):
        return 1.0
    return min(1.0, float(np.sort(_mass_above(probabilities, labels))[rank - 1]) + _MARGIN)


def measured(sets: PredictionSets, probabilities: Floats, labels: Labels) -> PredictionSets:
    """The same thresholds with the coverage and mean size that they give on other images."""
    above = _mass_above(probabilities, labels)
    limits = sets.thresholds
    coverage = {name: round(float((above < limit).mean()), 6) for name, limit in limits.items()}
    sizes = {name: round(float(set_sizes(probabilities, limit).mean()), 6) for name, limit in limits.items()}
    return sets.model_copy(update={"measured_coverage": coverage, "mean_size": sizes})


def set_sizes(probabilities: Floats, limit: float) -> NDArray[np.int64]:
    """How many classes, most probable first, it takes to reach `limit`: int64 [N], at least 1."""
    descending = -np.sort(-probabilities.astype(np.float64), axis=1)
    before = np.cumsum(descending, axis=1) - descending
    return np.asarray(np.maximum((before < limit).sum(axis=1), 1), np.int64)


def _mass_above(probabilities: Floats, labels: Labels) -> NDArray[np.float64]:
    """Sum of the probabilities that are larger than the true class's: float64 [N]."""
    wide = probabilities.astype(np.float64)
    true = wide[np.arange(len(labels)), labels]
    return np.asarray(np.where(wide > true[:, None], wide, 0.0).sum(axis=1))
