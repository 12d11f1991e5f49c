"""Energy score: how unfamiliar an image is, from its logits. Source: Liu et al., NeurIPS 2020, at T = 1."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from models.contract import EnergyThreshold, OutOfDistributionResult
from training.evaluation.conformal_quantile import conformal_quantile, images_needed
from training.evaluation.metrics import Floats
from training.evaluation.out_of_distribution import OutOfDistribution

TRUE_POSITIVE_RATE = Fraction("0.95")
ENERGY_IMAGES = images_needed(TRUE_POSITIVE_RATE)
"""The smallest number of held-out images that a threshold can be fitted to."""
_SMALLEST_RANGE = 0.01
"""Range of energies, in nats, below which they are called constant. Those of logarithms of probabilities are all 0, but
for rounding and a lower limit of the probabilities; those of logits differ by several nats.
"""


def energy(logits: Floats) -> NDArray[np.float64]:
    """Return -log sum exp of logits [N, K], in nats: float64 [N]. A larger energy means less familiar."""
    return np.asarray(-np.logaddexp.reduce(logits.astype(np.float64), axis=1))


def is_constant(logits: Floats) -> bool:
    """Return whether the energies of logits [N, K] are the same for all images, so that they tell nothing."""
    return len(logits) > 0 and float(np.ptp(energy(logits))) < _SMALLEST_RANGE


def is_one_score(logits: Floats) -> bool:
    """Return whether the logits [N, 2] are 0 and one score, whose energy tells only which of the two classes it is."""
    return logits.shape[1] == 2 and not logits[:, 0].any()


def auroc(familiar: Floats, unfamiliar: Floats) -> float:
    """Return the probability that one of the unfamiliar energies is larger than one of the familiar; a tie counts half.

    This is the area under the ROC curve. Source: Hanley and McNeil, Radiology 1982.
    """
    ordered = np.sort(familiar)
    smaller, not_larger = (np.searchsorted(ordered, unfamiliar, side) for side in ("left", "right"))
    return float((smaller + not_larger).mean()) / (2 * len(ordered))


def fit_energy(logits: Floats, fitted_on: str) -> EnergyThreshold | None:
    """Return the energy that 95 % of similar images do not exceed.

    None for fewer than `ENERGY_IMAGES` images, for energies that are constant, and for networks with one score.
    """
    threshold = conformal_quantile(energy(logits), TRUE_POSITIVE_RATE)
    if threshold is None or is_constant(logits) or is_one_score(logits):
        return None
    return EnergyThreshold(
        threshold=threshold, true_positive_rate=float(TRUE_POSITIVE_RATE), fitted_on=fitted_on, images=len(logits)
    )


def is_unfamiliar(logits: Floats, fitted: EnergyThreshold) -> NDArray[np.bool_]:
    """Return for each image of logits [N, K] whether its energy is above the threshold: bool [N]."""
    return np.asarray(energy(logits) > fitted.threshold)


def measure_energy(
    fitted: EnergyThreshold, logits: Floats, measured_on: str, others: Sequence[OutOfDistribution]
) -> EnergyThreshold:
    """Return the threshold with the shares of test images, and of images of other sets, at or below it."""
    familiar = energy(logits)
    return fitted.model_copy(
        update={
            "measured_on": measured_on,
            "measured_images": len(logits),
            "measured_true_positive_rate": _rate(familiar, fitted.threshold),
            "out_of_distribution": tuple(_result(familiar, other, fitted.threshold) for other in others),
        }
    )


def _result(familiar: Floats, other: OutOfDistribution, threshold: float) -> OutOfDistributionResult:
    unfamiliar = energy(other.logits)
    return OutOfDistributionResult(
        title=other.title,
        images=len(unfamiliar),
        false_positive_rate=_rate(unfamiliar, threshold),
        auroc=round(auroc(familiar, unfamiliar), 6),
    )


def _rate(energies: Floats, threshold: float) -> float:
    """Return the share at or below the threshold."""
    return round(float((energies <= threshold).mean()), 6)
