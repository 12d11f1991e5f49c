"""Answers of two bundles for the same images."""

import numpy as np
import pytest

from training.evaluation.judged_answers import SeveralClasses, SingleClass
from training.evaluation.matched_labels import match_labels


def rows(*values: tuple[float, ...]) -> np.ndarray:
    return np.array(values, np.float32)


def test_classes_are_compared_by_label() -> None:
    """Not by their number; a class that one bundle lacks has probability 0 in it."""
    matched = match_labels(["red", "green"], ["blue", "green", "red"])
    judged = SingleClass(matched).judge(
        rows((0.75, 0.25), (0.75, 0.25)), rows((0, 0.25, 0.75), (0.5, 0.5, 0)), np.array([0, 2])
    )
    assert judged.same.tolist() == [True, False]
    assert judged.distance.tolist() == pytest.approx([0, 0.75])
    assert [each.tolist() for each in judged.classes] == [[0, 0], [0, 2]]
    assert [each.tolist() for each in judged.probabilities] == [[0.75, 0.75], [0.75, 0.5]]
    assert judged.right is not None
    assert [each.tolist() for each in judged.right] == [[True, False], [True, True]]
    assert (judged.present, judged.differing.tolist()) == (None, [0, 1])


def test_several_classes_are_compared_at_the_thresholds_of_their_bundle() -> None:
    """Shown is the class with the largest difference among those that change; classes of one bundle do not count."""
    matched = match_labels(["red", "green", "blue"], ["blue", "white", "green"])
    judged = SeveralClasses(matched, (0.5, 0.5, 0.5), (0.9, 0.5, 0.5)).judge(
        rows((0.9, 0.9, 0.1), (0.9, 0.6, 0.8)),
        rows((0.8, 0.9, 0.9), (0.75, 0.9, 0.1)),
        np.array([[False, True, False, True], [True, True, True, False]]),
    )
    assert judged.same.tolist() == [True, False]
    assert judged.distance.tolist() == pytest.approx([0.7, 0.5])
    assert judged.differing.tolist() == [0, 2]
    assert [int(each[1]) for each in judged.classes] == [1, 1]  # green, 0.6 and 0.1
    assert [float(each[1]) for each in judged.probabilities] == pytest.approx([0.6, 0.1])
    assert judged.present is not None
    assert [bool(each[1]) for each in judged.present] == [True, False]
    assert judged.right is not None
    assert [each.tolist() for each in judged.right] == [[True, True], [True, False]]


def test_without_labels_nothing_is_right() -> None:
    """Nor wrong."""
    matched = match_labels(["red", "green"], ["red", "green"])
    values = rows((0.75, 0.25))
    assert SingleClass(matched).judge(values, values, None).right is None
    assert SeveralClasses(matched, (0.5, 0.5), (0.5, 0.5)).judge(values, values, None).right is None
