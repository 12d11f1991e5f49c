"""Temperature, calibration error and prediction sets."""

import numpy as np
import pytest
from numpy.typing import NDArray

from training.calibration import COVERAGES, calibrate, fit_temperature, measured, set_sizes, threshold
from training.metrics import (
    accuracy,
    confusion_matrix,
    expected_calibration_error,
    negative_log_likelihood,
    softmax,
)


def drawn(count: int, sharpness: float, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits [N, 6] that are `sharpness` times too large, and labels drawn from the true probabilities."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=2.0, size=(count, 6))
    labels = np.array([random.choice(6, p=row) for row in softmax(logits)], np.int64)
    return logits * sharpness, labels


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 3.0])
def test_the_temperature_undoes_a_known_sharpness(sharpness: float) -> None:
    """Logits that were multiplied by s need temperature s."""
    assert fit_temperature(*drawn(20_000, sharpness)) == pytest.approx(sharpness, rel=0.05)


def test_calibration_lowers_nll_and_ece_of_overconfident_logits() -> None:
    """Both figures in the manifest go down, and the ranking stays."""
    logits, labels = drawn(4000, sharpness=3.0)
    result = calibrate(logits, labels, "held-out images")
    assert result.nll_before is not None
    assert result.nll_after is not None
    assert result.ece_before is not None
    assert result.ece_after is not None
    assert result.nll_after < result.nll_before
    assert result.ece_after < result.ece_before / 3
    assert (softmax(logits, result.temperature).argmax(1) == logits.argmax(1)).all()


def test_a_perfect_classifier_gets_a_finite_temperature() -> None:
    """Where the NLL only falls, the search stops at its bound."""
    labels = np.arange(50, dtype=np.int64) % 5
    assert 0.04 < fit_temperature(np.eye(5)[labels], labels) < 0.06


@pytest.mark.parametrize("coverage", COVERAGES)
def test_sets_cover_new_images_as_often_as_promised(coverage: float) -> None:
    """Thresholds from one sample keep their coverage on another, within chance."""
    logits, labels = drawn(4000, sharpness=1.0)
    others, true = drawn(20_000, sharpness=1.0, seed=1)
    sets = calibrate(logits, labels, "held-out images").prediction_sets
    assert sets is not None
    result = measured(sets, softmax(others), true)
    assert result.measured_coverage[str(coverage)] == pytest.approx(coverage, abs=0.02)


def test_coverage_counts_exactly_the_sets_that_hold_the_true_class() -> None:
    """The short formula agrees with building each set class by class."""
    logits, labels = drawn(300, sharpness=1.0)
    probabilities = softmax(logits)
    limit = threshold(probabilities, labels, 0.9)
    held = 0
    for row, label, size in zip(probabilities, labels, set_sizes(probabilities, limit), strict=True):
        chosen = np.argsort(-row)[:size]
        assert row[chosen].sum() >= limit > row[chosen[:-1]].sum()
        held += label in chosen
    assert held >= np.ceil(301 * 0.9)


def test_too_few_images_for_a_coverage_give_the_whole_list() -> None:
    """With 10 images nothing can promise 99 %, so the threshold is 1."""
    logits, labels = drawn(10, sharpness=1.0)
    assert threshold(softmax(logits), labels, 0.99) == 1.0


def test_metrics_of_a_case_worked_by_hand() -> None:
    """Two right of three, known logarithms, known counts."""
    probabilities = np.array([[0.5, 0.25, 0.25], [0.5, 0.3, 0.2], [0.25, 0.25, 0.5]])
    labels = np.array([0, 1, 2], np.int64)
    assert accuracy(probabilities, labels) == pytest.approx(2 / 3)
    assert accuracy(probabilities, labels, k=2) == 1.0
    assert negative_log_likelihood(probabilities, labels) == pytest.approx(-np.log([0.5, 0.3, 0.5]).mean())
    assert expected_calibration_error(probabilities, labels, bins=1) == pytest.approx(2 / 3 - 0.5)
    assert confusion_matrix(probabilities, labels).tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 1]]


def test_a_class_given_no_probability_costs_much_but_not_infinity() -> None:
    """A probability that rounded to zero keeps the manifest's numbers finite."""
    assert np.isfinite(negative_log_likelihood(np.array([[1.0, 0.0]]), np.array([1])))
