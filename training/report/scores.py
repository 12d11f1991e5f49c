"""Errors counted per class, per pair of classes, and per image."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.evaluation.evaluate import Evaluation

Counts = NDArray[np.int64]
"""Counts [K, K]: rows are the true classes, columns the predicted ones."""


_TINY = 1e-38
"""Replaces a probability that float32 has rounded to zero."""


class ClassScore(NamedTuple):
    """precision: share of the images given this class that belong to it; recall: share of its images given this class.

    A share of nothing is None. images: number of images of the class; wrongly_given: images of other classes that were
    given this class.
    """

    class_id: int
    precision: float | None
    recall: float | None
    f1: float
    images: int
    wrongly_given: int


class ConfusedPair(NamedTuple):
    """Number of images of the class `true` that were given the class `predicted`."""

    true: int
    predicted: int
    images: int


class Mistake(NamedTuple):
    """image: index among the images; loss: -log p(true), in nats."""

    image: int
    true: int
    predicted: int
    p_true: float
    p_predicted: float

    @property
    def loss(self) -> float:
        """-log p(true), in nats."""
        return -math.log(max(self.p_true, _TINY))


def class_scores(counts: Counts) -> list[ClassScore]:
    """Return one score per class, the lowest F1 first. F1 is 2 TP / (images + given)."""
    scores = []
    for class_id, (of, given) in enumerate(zip(counts.sum(axis=1), counts.sum(axis=0), strict=True)):
        hit = int(counts[class_id, class_id])
        precision, recall = hit / given if given else None, hit / of if of else None
        scores.append(ClassScore(class_id, precision, recall, 2 * hit / max(of + given, 1), int(of), int(given) - hit))
    return sorted(scores, key=lambda score: (score.f1, score.class_id))


def confused_pairs(counts: Counts, limit: int) -> list[ConfusedPair]:
    """Return the most frequent pairs of different classes, at most `limit`."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:limit]
    pairs = (np.unravel_index(index, wrong.shape) for index in order)
    return [ConfusedPair(int(i), int(j), int(wrong[i, j])) for i, j in pairs if wrong[i, j]]


def worst_mistakes(evaluation: Evaluation, limit: int) -> list[Mistake]:
    """Return wrongly classified images, the largest loss first, at most `limit`."""
    predicted = evaluation.probabilities.argmax(axis=1)
    rows = np.arange(len(predicted))
    p_true = evaluation.probabilities[rows, evaluation.labels]
    wrong = np.flatnonzero(predicted != evaluation.labels)
    worst = wrong[np.argsort(p_true[wrong], kind="stable")][:limit]
    p_predicted = evaluation.probabilities[rows, predicted]
    return [
        Mistake(int(i), int(evaluation.labels[i]), int(predicted[i]), float(p_true[i]), float(p_predicted[i]))
        for i in worst
    ]
