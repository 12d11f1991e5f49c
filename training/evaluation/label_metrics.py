"""Metrics of the task multilabel, in which any number of classes of an image is true; each class on its own."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.contract import DEFAULT_THRESHOLD

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]


class LabelScores(NamedTuple):
    """Scores of K classes, float64 [K]; NaN where they are not defined.

    precision: without an image that was called positive; recall, f1 and average_precision: without a positive one.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    average_precision: NDArray[np.float64]


def label_scores(probabilities: Floats, truth: Flags, thresholds: Floats) -> LabelScores:
    """Return the scores of probabilities [N, K] for truth bool [N, K]; a class is present from its threshold on [K]."""
    called = probabilities >= thresholds
    hits, positives = (called & truth).sum(axis=0), truth.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = hits / called.sum(axis=0), hits / positives
        f1 = np.where(positives > 0, 2 * hits / (called.sum(axis=0) + positives), np.nan)
    averages = [average_precision(column, true) for column, true in zip(probabilities.T, truth.T, strict=True)]
    return LabelScores(precision, recall, f1, np.array(averages, np.float64))


def average_precision(scores: Floats, truth: Flags) -> float:
    """Return the mean of the precision over the positive images, of scores [N] and truth bool [N]; NaN without any.

    The precision at an image counts all images with at least its score, so ties share one.
    """
    if not truth.any():
        return float("nan")
    called, hits = _counts(scores, truth)
    gained = np.diff(hits, prepend=0)
    return float((gained * hits / called).sum() / truth.sum())


def best_threshold(scores: Floats, truth: Flags) -> float:
    """Return the threshold of the largest F1 for scores [N] and truth bool [N]; 0.5 without a positive image.

    It lies midway between two neighbouring scores, or at the smallest one where all images are called positive. Of
    several best thresholds the largest is taken.
    """
    if not truth.any():
        return DEFAULT_THRESHOLD
    called, hits = _counts(scores, truth)
    best = int((2 * hits / (called + truth.sum())).argmax())
    levels = np.unique(scores)[::-1].astype(np.float64)
    return float(levels[best] if best == len(levels) - 1 else (levels[best] + levels[best + 1]) / 2)


def _counts(scores: Floats, truth: Flags) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how many images, and how many positive ones, have at least each score, the largest score first."""
    levels, places = np.unique(-scores, return_inverse=True)
    called = np.bincount(places, minlength=len(levels)).cumsum()
    hits = np.bincount(places, weights=truth.astype(np.float64), minlength=len(levels)).cumsum()
    return called.astype(np.float64), hits
