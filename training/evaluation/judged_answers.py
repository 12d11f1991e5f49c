"""Answers of two bundles for the same images, one batch at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.held_out_images import Truth
from training.evaluation.agreement import total_variation
from training.evaluation.matched_labels import Classes, MatchedLabels

Rows = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class JudgedAnswers:
    """The answers for n images, each array [n].

    classes, probabilities, present: of the new bundle and of the other; present: None in the task single. right: of
    both; None without labels.
    """

    same: Flags
    distance: NDArray[np.float64]
    differing: Classes
    classes: tuple[Classes, Classes]
    probabilities: tuple[Rows, Rows]
    present: tuple[Flags, Flags] | None
    right: tuple[Flags, Flags] | None


class SingleClass:
    """Compares answers of which one class is true. A class that a bundle lacks has probability 0 in it."""

    def __init__(self, matched: MatchedLabels) -> None:
        self._places, self._count = (matched.first, matched.second), len(matched.labels)

    def judge(self, new: Rows, serving: Rows, truth: Truth | None) -> JudgedAnswers:
        """Compare probabilities [n, K] of each bundle's own classes. truth: int64 [n], classes of `matched`."""
        places = self._places
        classes = places[0][new.argmax(axis=1)], places[1][serving.argmax(axis=1)]
        same = classes[0] == classes[1]
        return JudgedAnswers(
            same=same,
            distance=total_variation(_spread(new, places[0], self._count), _spread(serving, places[1], self._count)),
            differing=(~same).astype(np.int64),
            classes=classes,
            probabilities=(new.max(axis=1), serving.max(axis=1)),
            present=None,
            right=None if truth is None else (classes[0] == truth, classes[1] == truth),
        )


class SeveralClasses:
    """Compares answers of which any number of classes is true, on the classes that both bundles have.

    new, serving: the thresholds of each bundle, one for each of its classes.
    """

    def __init__(self, matched: MatchedLabels, new: Sequence[float], serving: Sequence[float]) -> None:
        self._shared = matched.shared
        self._columns = _columns(matched.first, self._shared), _columns(matched.second, self._shared)
        self._thresholds = np.array(new)[self._columns[0]], np.array(serving)[self._columns[1]]

    def judge(self, new: Rows, serving: Rows, truth: Truth | None) -> JudgedAnswers:
        """Compare probabilities [n, K] of each bundle's own classes. truth: bool [n, K], classes of `matched`."""
        first, second = new[:, self._columns[0]], serving[:, self._columns[1]]
        called = first >= self._thresholds[0], second >= self._thresholds[1]
        distances = np.abs(first.astype(np.float64) - second)
        differ = called[0] != called[1]
        shown = np.where(differ, distances, -1).argmax(axis=1)
        images = np.arange(len(new))
        classes = self._shared[shown]
        return JudgedAnswers(
            same=~differ.any(axis=1),
            distance=distances.max(axis=1),
            differing=differ.sum(axis=1),
            classes=(classes, classes),
            probabilities=(first[images, shown], second[images, shown]),
            present=(called[0][images, shown], called[1][images, shown]),
            right=None if truth is None else (self._right(called[0], truth), self._right(called[1], truth)),
        )

    def _right(self, called: Flags, truth: Truth) -> Flags:
        """Return for each image whether all decisions on the shared classes are right: bool [n]."""
        return np.asarray((called == truth[:, self._shared]).all(axis=1))


def _spread(rows: Rows, places: Classes, count: int) -> NDArray[np.float32]:
    """Return float32 [n, count] with the columns of `rows` at their places, and 0 elsewhere."""
    spread = np.zeros((len(rows), count), np.float32)
    spread[:, places] = rows
    return spread


def _columns(places: Classes, shared: Classes) -> Classes:
    """Return for each shared class the column in which a bundle has it."""
    order = np.argsort(places)
    return np.asarray(order[np.searchsorted(places, shared, sorter=order)], np.int64)
