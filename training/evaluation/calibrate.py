"""Calibration: fitted on held-out images, then measured on images that neither training nor fitting used."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.contract import Calibration, Reliability
from training.evaluation.baseline import measure_baseline
from training.evaluation.energy_score import (
    ENERGY_IMAGES,
    fit_energy,
    is_constant,
    is_one_score,
    is_unfamiliar,
    measure_energy,
)
from training.evaluation.evaluate import Evaluation
from training.evaluation.label_metrics import Flags, best_threshold
from training.evaluation.metrics import (
    Floats,
    Labels,
    adaptive_calibration_error,
    expected_calibration_error,
    negative_log_likelihood,
    reliability_bins,
    softmax,
)
from training.evaluation.out_of_distribution import OutOfDistribution
from training.evaluation.prediction_sets import fit_sets, measure_sets
from training.evaluation.temperature import fit_temperature
from training.evaluation.weak_calibration import weakness

_METHOD = "One temperature for all classes, by NLL on held-out images and a weak prior at 1; it changes no ranking."
_LABEL_METHOD = (
    "Thresholds of the largest F1 of each class on held-out images, 0.5 for a class without a positive image. Each "
    "probability is the network's own: temperature, prediction sets and an energy threshold need the task single."
)
_NO_IMAGES = "No images were held out: temperature 1 is not fitted, and there are no prediction sets."
_NO_ENERGY = f"No energy threshold: it needs {ENERGY_IMAGES} held-out images."
_CONSTANT_ENERGY = (
    "No energy threshold: the energy is the same for all images, as it is where the logits are logarithms of "
    "probabilities."
)
_ENERGY_OF_ONE_SCORE = (
    "No energy threshold: the network has one score for two classes, and an energy of it would tell only which of them "
    "it is."
)


def calibrate(logits: Floats, labels: Labels, fitted_on: str, names: Sequence[str] = ()) -> Calibration:
    """Fit temperature and thresholds of prediction sets and of energy to logits [N, K] of images that training did not
    use, and measure the baseline on them.

    labels: int64 [N]. names: labels of the K classes, for the text that says why a calibration is weak.
    A threshold that too few images allow is left out, and the result says so.
    """
    if len(labels) == 0:
        return Calibration(temperature=1.0, fitted_on=None, note=_NO_IMAGES)
    temperature, different = fit_temperature(logits, labels), _different(logits)
    after = softmax(logits, temperature)
    energy = fit_energy(logits, fitted_on)
    return Calibration(
        temperature=temperature,
        fitted_on=fitted_on,
        images=len(labels),
        **_errors(softmax(logits), after, labels),
        prediction_sets=fit_sets(after, labels, fitted_on),
        energy=energy,
        weak=weakness(len(different), np.bincount(labels[different], minlength=logits.shape[1]), names),
        baseline=measure_baseline(after, fitted_on, None if energy is None else is_unfamiliar(logits, energy)),
        note=_METHOD if energy else f"{_METHOD} {_why_no_energy(logits)}",
    )


def _different(outputs: Floats) -> NDArray[np.int64]:
    """Return the indices of one image for each different row of outputs [N, K]: copies of an image count once."""
    return np.array(list({hash(row.tobytes()): index for index, row in enumerate(outputs)}.values()))


def _why_no_energy(logits: Floats) -> str:
    """Return why no threshold was fitted. The energy of a single image is the same for all images whatever it is."""
    if is_one_score(logits):
        return _ENERGY_OF_ONE_SCORE
    return _CONSTANT_ENERGY if len(logits) > 1 and is_constant(logits) else _NO_ENERGY


def calibrate_labels(probabilities: Floats, truth: Flags, fitted_on: str, names: Sequence[str]) -> Calibration:
    """Fit a threshold for each class, in the task multilabel, to probabilities [N, K] and truth bool [N, K].

    Measures the baseline on the same images. names: labels of the K classes, for the text that says why a calibration
    is weak.
    """
    columns, different = zip(probabilities.T, truth.T, strict=True), _different(probabilities)
    return Calibration(
        temperature=1.0,
        fitted_on=fitted_on,
        images=len(truth),
        weak=weakness(len(different), truth[different].sum(axis=0), names),
        thresholds=tuple(best_threshold(scores, true) for scores, true in columns),
        baseline=measure_baseline(probabilities, fitted_on),
        note=_LABEL_METHOD,
    )


def measure(
    calibration: Calibration, test: Evaluation, measured_on: str, others: Sequence[OutOfDistribution] = ()
) -> Calibration:
    """Return the calibration with everything that can be measured on test images and on sets of none of the classes."""
    sets, energy = calibration.prediction_sets, calibration.energy
    return calibration.model_copy(
        update={
            "reliability": _reliability(test, measured_on),
            "prediction_sets": sets and measure_sets(sets, test.probabilities, test.labels, measured_on),
            "energy": energy and measure_energy(energy, test.logits, measured_on, others),
        }
    )


def _reliability(test: Evaluation, measured_on: str) -> Reliability:
    return Reliability(
        measured_on=measured_on,
        images=len(test.labels),
        **_errors(softmax(test.logits), test.probabilities, test.labels),
        bins=reliability_bins(test.probabilities, test.labels),
    )


def _errors(before: Floats, after: Floats, labels: Labels) -> dict[str, float]:
    """Return the fields that `Calibration` and `Reliability` share."""
    return {
        f"{name}_{when}": measure_of(probabilities, labels)
        for when, probabilities in (("before", before), ("after", after))
        for name, measure_of in (
            ("nll", negative_log_likelihood),
            ("ece", expected_calibration_error),
            ("adaptive_ece", adaptive_calibration_error),
        )
    }
