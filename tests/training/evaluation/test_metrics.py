"""Accuracy, NLL, both calibration errors and confusion, against cases worked by hand and known truth."""

import numpy as np
import pytest

from tests.training.evaluation.known_truth import drawn
from training.evaluation.metrics import (
    accuracy,
    accuracy_interval,
    adaptive_calibration_error,
    confusion_matrix,
    expected_calibration_error,
    negative_log_likelihood,
    reliability_bins,
    softmax,
)


def test_equal_probabilities_rank_by_number() -> None:
    """A network that tells nothing apart is right for the first class only, and one that answers NaN for none."""
    labels = np.array([0, 1, 2, 0], np.int64)
    assert accuracy(np.full((4, 3), 1 / 3), labels) == 0.5
    assert accuracy(np.full((4, 3), 1 / 3), labels, k=2) == 0.75
    assert accuracy(np.full((4, 3), np.nan), labels, k=3) == 0.0


def test_the_interval_of_an_accuracy_is_wide_where_images_are_few() -> None:
    """Wilson's: 3 of 4 may be 30 % or 95 %; 750 of 1,000 may not."""
    assert accuracy_interval(0.75, 4) == pytest.approx((0.3006, 0.9544), abs=1e-4)
    assert accuracy_interval(0.75, 1000) == pytest.approx((0.7222, 0.7759), abs=1e-4)


def test_metrics_of_a_case_worked_by_hand() -> None:
    """Two right of three, known logarithms, known counts."""
    probabilities = np.array([[0.5, 0.25, 0.25], [0.5, 0.3, 0.2], [0.25, 0.25, 0.5]])
    labels = np.array([0, 1, 2], np.int64)
    assert accuracy(probabilities, labels) == pytest.approx(2 / 3)
    assert accuracy(probabilities, labels, k=2) == 1.0
    assert negative_log_likelihood(probabilities, labels) == pytest.approx(-np.log([0.5, 0.3, 0.5]).mean())
    assert expected_calibration_error(probabilities, labels, bins=1) == pytest.approx(2 / 3 - 0.5, abs=1e-6)
    assert confusion_matrix(probabilities, labels).tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 1]]


def test_a_class_given_no_probability_costs_much_but_not_infinity() -> None:
    """A probability that rounded to zero keeps the manifest's numbers finite."""
    assert np.isfinite(negative_log_likelihood(np.array([[1.0, 0.0]]), np.array([1])))


def test_bins_of_equal_width_are_closed_above_and_leave_out_the_empty() -> None:
    """0.6 belongs to (0.4, 0.6] of five bins, 1.0 to the last, and nothing to the first two."""
    confidence = np.array([0.6, 0.61, 1.0, 1.0])
    bins = reliability_bins(np.stack([confidence, 1 - confidence], axis=1), np.array([0, 0, 0, 1]), bins=5)
    assert [(part.lower, part.upper, part.images) for part in bins] == [(0.4, 0.6, 1), (0.6, 0.8, 1), (0.8, 1.0, 2)]
    assert [(part.confidence, part.accuracy) for part in bins] == [(0.6, 1.0), (0.61, 1.0), (1.0, 0.5)]


def test_equal_mass_sees_what_equal_width_averages_away() -> None:
    """Too sure in one half and not sure enough in the other half of one wide bin: no error there, an error here."""
    confidence = np.repeat([0.96, 0.98], 50)
    right = np.repeat([True, False], [50, 50])
    right[50:97] = True  # 0.96 is right every time, 0.98 only 47 times of 50
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    labels = np.where(right, 0, 1)
    assert expected_calibration_error(probabilities, labels) == pytest.approx(0.0, abs=1e-6)
    assert adaptive_calibration_error(probabilities, labels) == pytest.approx(0.04, abs=1e-6)


def test_images_of_one_confidence_share_a_bin() -> None:
    """Their order says nothing, so it changes nothing."""
    probabilities = np.tile([[0.8, 0.2]], (100, 1))
    labels = np.repeat([0, 1], [80, 20])
    assert adaptive_calibration_error(probabilities, labels) == pytest.approx(0.0, abs=1e-6)
    assert adaptive_calibration_error(probabilities, labels[::-1]) == pytest.approx(0.0, abs=1e-6)


def test_both_errors_grow_with_overconfidence() -> None:
    """And are near zero for the true probabilities."""
    logits, labels = drawn(10_000)
    for error in (expected_calibration_error, adaptive_calibration_error):
        exact, sharp, sharper = (error(softmax(factor * logits), labels) for factor in (1, 2, 4))
        assert exact < 0.02
        assert 0.08 < sharp < sharper


def test_one_image_is_enough() -> None:
    """Every figure is defined, and probabilities of float32 that round to 1 stay fractions."""
    one = np.array([[1.0, 0.0]], np.float32)
    assert expected_calibration_error(one, np.array([0])) == adaptive_calibration_error(one, np.array([0])) == 0.0
