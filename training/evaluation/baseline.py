"""The baseline that live traffic is compared with, from the answers for held-out images."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from models.contract import BASELINE_CLASSES, CONFIDENCE_BOUNDS, Baseline, ClassShare
from training.evaluation.metrics import Floats

_DIGITS = 6
"""Decimal places of a share."""


def measure_baseline(probabilities: Floats, measured_on: str, unfamiliar: NDArray[np.bool_] | None = None) -> Baseline:
    """Return class mix and confidence of the answers, by the most probable class of each image.

    probabilities: [N, K], as the service will answer them; N at least 1. measured_on: the images, in words. unfamiliar:
    bool [N], whether each image is above the energy threshold; None where there is no threshold.
    """
    count = len(probabilities)
    named, other = _class_mix(probabilities.argmax(axis=1), probabilities.shape[1])
    bins = np.searchsorted(CONFIDENCE_BOUNDS, probabilities.max(axis=1))  # a bound belongs to the bin below it
    return Baseline(
        measured_on=measured_on,
        images=count,
        classes=named,
        other=other,
        bounds=CONFIDENCE_BOUNDS,
        confidence=tuple(_shares(np.bincount(bins, minlength=len(CONFIDENCE_BOUNDS) + 1))),
        unfamiliar=None if unfamiliar is None else round(float(unfamiliar.mean()), _DIGITS),
    )


def _class_mix(predicted: NDArray[np.intp], classes: int) -> tuple[tuple[ClassShare, ...], float | None]:
    """Return the shares by class, in the order of the labels, and that of the classes not named; None if all are.

    Of classes that are equally frequent, the first ones are named.
    """
    shares = _shares(np.bincount(predicted, minlength=classes))
    if classes <= BASELINE_CLASSES:
        return _named(shares, range(classes)), None
    frequent = np.argsort(-np.asarray(shares), kind="stable")[: BASELINE_CLASSES - 1]
    named = _named(shares, sorted(frequent.tolist()))
    return named, round(1 - min(1.0, sum(each.share for each in named)), _DIGITS)


def _named(shares: list[float], class_ids: Iterable[int]) -> tuple[ClassShare, ...]:
    return tuple(ClassShare(class_id=class_id, share=shares[class_id]) for class_id in class_ids)


def _shares(counts: NDArray[np.int64]) -> list[float]:
    return [round(float(count) / float(counts.sum()), _DIGITS) for count in counts]
