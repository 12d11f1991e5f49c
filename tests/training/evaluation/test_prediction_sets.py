"""Prediction sets hold the true class as often as they promise, and are the sets that the service builds."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.contract import Manifest, PredictionSets, read_bundle
from service.inference.postprocess import prediction_set
from tests.training.evaluation.known_truth import drawn
from training.evaluation.metrics import softmax
from training.evaluation.prediction_sets import COVERAGES, fit_sets, measure_sets, scores, set_sizes

SHIPPED = Path(__file__).parents[3] / "models" / "fashion-mnist" / "3"
SPLITS, FITTED, MEASURED = 200, 199, 1000


@pytest.mark.parametrize("coverage", COVERAGES)
def test_coverage_holds_on_average_over_many_splits(coverage: str) -> None:
    """Neither too little nor too much: between c and c + 1 / (n + 1), within four standard errors."""
    covered = []
    for seed in range(SPLITS):
        logits, labels = drawn(FITTED + MEASURED, seed=seed)
        probabilities = softmax(logits).astype(np.float32)
        sets = fit_sets(probabilities[:FITTED], labels[:FITTED], "a part")
        covered.append((scores(probabilities[FITTED:], labels[FITTED:]) < sets.thresholds[coverage]).mean())
    wanted = float(coverage)
    error = np.sqrt(wanted * (1 - wanted) * (1 / (FITTED + 2) + 1 / MEASURED) / SPLITS)
    assert wanted - 4 * error < np.mean(covered) < wanted + 1 / (FITTED + 1) + 4 * error


def test_no_threshold_where_the_true_class_has_no_probability() -> None:
    """A set that has to reach 1 depends on rounding; the manifest says that there is none."""
    certain = np.tile(np.array([[1.0, 0.0]], np.float32), (200, 1))
    sets = fit_sets(certain, np.repeat([0, 1], [150, 50]), "held-out images")
    assert sets.thresholds == {}
    assert "almost no probability" in sets.not_fitted["0.8"]


def with_ties(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Probabilities [N, 10] in steps of 1/16, as an integer graph gives them, and labels drawn from them."""
    random = np.random.default_rng(seed)
    probabilities = random.multinomial(16, [0.1] * 10, size=count) / 16
    return probabilities.astype(np.float32), random.multinomial(1, probabilities).argmax(axis=1)


def shipped_with(sets: PredictionSets) -> Manifest:
    manifest = read_bundle(SHIPPED).manifest
    return manifest.model_copy(
        update={"calibration": manifest.calibration.model_copy(update={"prediction_sets": sets})}
    )


@pytest.mark.parametrize("coverage", COVERAGES[:3])
def test_the_service_builds_the_sets_that_were_calibrated(coverage: str) -> None:
    """Same size and same members for each image, ties included."""
    fitted = fit_sets(*with_ties(500, seed=0), fitted_on="held-out images")
    manifest, limit = shipped_with(fitted), fitted.thresholds[coverage]
    probabilities, labels = with_ties(300, seed=1)
    answered = [prediction_set(row, float(coverage), manifest) for row in probabilities]
    assert [len(classes) for classes in answered] == set_sizes(probabilities, limit).tolist()
    holds = [label in classes for classes, label in zip(answered, labels, strict=True)]
    assert holds == (scores(probabilities, labels) < limit).tolist()
    result = measure_sets(fitted, probabilities, labels, measured_on="the test set")
    assert result.measured_coverage[coverage] == pytest.approx(np.mean(holds))


def test_ties_do_not_cost_coverage() -> None:
    """Of equally probable classes the service takes the first, and the score counts those before the true one."""
    even = np.full((1, 4), 0.25, np.float32)
    assert [float(scores(even, np.array([label]))[0]) for label in range(4)] == [0, 0.25, 0.5, 0.75]
