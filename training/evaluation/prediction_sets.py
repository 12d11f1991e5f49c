"""Adaptive prediction sets: thresholds fitted on held-out images, coverage and size measured on others.

The set of an image is the fewest classes, most probable first, whose probabilities sum to at least the threshold.
Source: Romano, Sesia and Candes, NeurIPS 2020, without randomization.
"""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from models.contract import PredictionSets
from training.evaluation.conformal_quantile import conformal_quantile, images_needed
from training.evaluation.metrics import Floats, Labels

COVERAGES = ("0.8", "0.9", "0.95", "0.99")
_ROWS = 4096
"""Images that are ranked at a time, so that 50,000 images of 1,000 classes take no gigabytes."""
_MARGIN = 1e-6
"""Added to each threshold, so that the class that determines it is in the set also after rounding."""


def fit_sets(probabilities: Floats, labels: Labels, fitted_on: str) -> PredictionSets:
    """Return thresholds for `COVERAGES`, each valid for any number of images, or the reason why there is none."""
    rounded = probabilities.astype(np.float32)  # the graph's type: ties of the graph have to be ties here
    found = {coverage: conformal_quantile(scores(rounded, labels), Fraction(coverage)) for coverage in COVERAGES}
    thresholds = {name: score + _MARGIN for name, score in found.items() if score is not None}
    return PredictionSets(
        fitted_on=fitted_on,
        images=len(labels),
        thresholds={name: threshold for name, threshold in thresholds.items() if threshold < 1},
        not_fitted={name: _reason(name, len(labels)) for name in COVERAGES if not thresholds.get(name, 1) < 1},
    )


def measure_sets(sets: PredictionSets, probabilities: Floats, labels: Labels, measured_on: str) -> PredictionSets:
    """Return the thresholds with the coverage and mean size that they give on other images."""
    above = scores(probabilities, labels)
    limits = sets.thresholds
    return sets.model_copy(
        update={
            "measured_on": measured_on,
            "measured_images": len(labels),
            "measured_coverage": {name: round(float((above < limit).mean()), 6) for name, limit in limits.items()},
            "mean_size": {
                name: round(float(set_sizes(probabilities, limit).mean()), 6) for name, limit in limits.items()
            },
        }
    )


def set_sizes(probabilities: Floats, threshold: float) -> NDArray[np.int64]:
    """Return how many classes, most probable first, reach `threshold`: int64 [N], at least 1."""
    return np.asarray(np.maximum((_mass_before(probabilities) < threshold).sum(axis=1), 1), np.int64)


def scores(probabilities: Floats, labels: Labels) -> NDArray[np.float64]:
    """Return the sum of the probabilities ranked before the true class: float64 [N].

    The true class is in the set when its score is below the threshold. Classes of equal probability rank by number, as
    in the service.
    """
    found = [np.empty(0)]
    for start in range(0, len(labels), _ROWS):
        rows = probabilities[start : start + _ROWS]
        places = (_ranking(rows) == labels[start : start + _ROWS, None]).argmax(axis=1)
        found.append(_mass_before(rows)[np.arange(len(rows)), places])
    return np.concatenate(found)


def _mass_before(probabilities: Floats) -> NDArray[np.float64]:
    """Return the sum of the probabilities of all earlier ranks, at each rank: float64 [N, K]."""
    descending = np.take_along_axis(probabilities, _ranking(probabilities), axis=1).astype(np.float64)
    return np.pad(np.cumsum(descending, axis=1)[:, :-1], ((0, 0), (1, 0)))


def _ranking(probabilities: Floats) -> NDArray[np.intp]:
    return np.argsort(-probabilities, axis=1, kind="stable")


def _reason(coverage: str, images: int) -> str:
    needed = images_needed(Fraction(coverage))
    if images < needed:
        return f"it needs {needed:,} held-out images, there were {images:,}; only all classes together promise it"
    return "too many held-out images have a true class of almost no probability; only all classes together promise it"
