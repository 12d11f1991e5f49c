"""Metrics of classes of which any number is true."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from training.evaluation.label_metrics import average_precision, best_threshold, label_scores


def drawn(count: int = 500, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    truth = random.random((count, classes)) < [0.5, 0.2, 0.05, 0.0]
    scores = np.round(np.clip(random.normal(0.3 + 0.3 * truth, 0.2), 0, 1), 2)
    return scores.astype(np.float32), truth


def test_the_scores_are_those_of_scikit_learn() -> None:
    """Ties and a rare class included; a class without positive images has none but a precision of 0."""
    probabilities, truth = drawn()
    thresholds = np.array([0.5, 0.4, 0.5, 0.5])
    found = label_scores(probabilities, truth, thresholds)
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, probabilities >= thresholds, average=None, zero_division=0
    )
    expected = [average_precision_score(truth[:, place], probabilities[:, place]) for place in range(3)]
    np.testing.assert_allclose(found.precision, precision)
    np.testing.assert_allclose(found.recall[:3], recall[:3])
    np.testing.assert_allclose(found.f1[:3], f1[:3])
    np.testing.assert_allclose(found.average_precision[:3], expected)
    assert np.isnan([found.recall[3], found.f1[3], found.average_precision[3]]).all()


def test_the_best_threshold_has_the_largest_f1() -> None:
    """No other threshold has a larger one; 0.5 where a class has no positive image."""
    probabilities, truth = drawn()
    best = np.array([best_threshold(probabilities[:, place], truth[:, place]) for place in range(4)])
    assert best[3] == 0.5
    found = label_scores(probabilities, truth, best).f1[:3]
    for threshold in np.linspace(0, 1, 101):
        others = label_scores(probabilities, truth, np.full(4, threshold + 1e-4)).f1[:3]
        assert (found >= others - 1e-12).all()


@pytest.mark.parametrize(
    ("scores", "truth", "expected"),
    [
        ([0.9, 0.1], [True, False], 0.5),
        ([0.4, 0.2], [True, True], 0.2),
        ([0.8, 0.8], [True, False], 0.8),
        ([0.9, 0.6, 0.1], [True, True, False], 0.35),
    ],
)
def test_the_threshold_lies_midway_between_scores(scores: list[float], truth: list[bool], expected: float) -> None:
    """Or at the smallest score, where all images are called positive."""
    assert best_threshold(np.array(scores), np.array(truth)) == pytest.approx(expected)


def test_a_class_without_positive_images_has_no_average_precision() -> None:
    """It is not defined."""
    assert np.isnan(average_precision(np.array([0.1, 0.9]), np.array([False, False])))
