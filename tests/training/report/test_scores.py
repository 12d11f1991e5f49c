"""Counting what goes wrong."""

import numpy as np
import pytest

from training.evaluation.evaluate import Evaluation
from training.report.scores import class_scores, confused_pairs, worst_mistakes

COUNTS = np.array([[8, 2, 0], [1, 9, 0], [3, 0, 0]])


def test_precision_recall_and_f1_of_each_class() -> None:
    """Against the definitions, the weakest class first; a class never given has no precision."""
    last, first, second = class_scores(COUNTS)
    assert (last.class_id, last.precision, last.recall, last.f1, last.images) == (2, None, 0.0, 0.0, 3)
    assert first.precision == pytest.approx(8 / 12)
    assert first.recall == pytest.approx(8 / 10)
    assert first.f1 == pytest.approx(2 / (12 / 8 + 10 / 8))
    assert second.f1 > first.f1
    assert (first.wrongly_given, second.wrongly_given) == (4, 2)


def test_scores_agree_with_scikit_learn() -> None:
    """On random answers."""
    from sklearn.metrics import precision_recall_fscore_support

    random = np.random.default_rng(0)
    true, predicted = random.integers(0, 5, (2, 400))
    counts = np.bincount(5 * true + predicted, minlength=25).reshape(5, 5)
    ours = sorted(class_scores(counts), key=lambda score: score.class_id)
    precision, recall, f1, images = precision_recall_fscore_support(true, predicted)
    assert [score.precision for score in ours] == pytest.approx(precision)
    assert [score.recall for score in ours] == pytest.approx(recall)
    assert [score.f1 for score in ours] == pytest.approx(f1)
    assert [score.images for score in ours] == list(images)


def test_the_most_frequent_confusions_come_first() -> None:
    """Only different classes, and none that never happened."""
    assert confused_pairs(COUNTS, limit=10) == [(2, 0, 3), (0, 1, 2), (1, 0, 1)]
    assert confused_pairs(COUNTS, limit=1) == [(2, 0, 3)]


def test_the_worst_mistake_is_the_one_whose_truth_was_least_likely() -> None:
    """What is right is no mistake, however unsure."""
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.99, 0.01], [0.51, 0.49]], np.float32)
    evaluation = Evaluation(probabilities, np.log(probabilities), np.array([1, 0, 1, 0]))
    worst = worst_mistakes(evaluation, limit=2)
    assert [(each.image, each.true, each.predicted) for each in worst] == [(2, 1, 0), (0, 1, 0)]
    assert worst[0].loss == pytest.approx(-np.log(0.01))
    assert worst[0].p_predicted == pytest.approx(0.99)


def test_a_probability_of_zero_has_a_finite_loss() -> None:
    """Float32 rounds small ones away."""
    probabilities = np.array([[1.0, 0.0]], np.float32)
    (mistake,) = worst_mistakes(Evaluation(probabilities, probabilities, np.array([1])), limit=1)
    assert 80 < mistake.loss < 100
