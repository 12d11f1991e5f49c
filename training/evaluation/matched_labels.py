"""Classes of two bundles, matched by their labels."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.data.labels import normalize_name

Classes = NDArray[np.int64]


@dataclass(frozen=True)
class MatchedLabels:
    """All classes of two bundles: those of the first bundle in their order, then those that only the second one has.

    labels: K labels, two of which may be equal. first, second: for each class of the bundle its place among `labels`.
    """

    labels: tuple[str, ...]
    first: Classes
    second: Classes

    @property
    def shared(self) -> Classes:
        """Places of the classes that both bundles have, ascending."""
        return np.intersect1d(self.first, self.second)

    @property
    def only_first(self) -> tuple[str, ...]:
        """Labels of the classes that the second bundle lacks."""
        return tuple(self.labels[place] for place in np.setdiff1d(self.first, self.second))

    @property
    def only_second(self) -> tuple[str, ...]:
        """Labels of the classes that the first bundle lacks."""
        return tuple(self.labels[place] for place in np.setdiff1d(self.second, self.first))

    @property
    def reordered(self) -> bool:
        """Whether the shared classes are in another order in the second bundle."""
        return bool((np.diff(self.second[np.isin(self.second, self.first)]) < 0).any())

    @cached_property
    def unique_labels(self) -> tuple[str, ...]:
        """The K labels, with the place behind those of which there are several."""
        times = Counter(self.labels)
        return tuple(
            f"{label} (class {place})" if times[label] > 1 else label for place, label in enumerate(self.labels)
        )


def match_labels(first: Sequence[str], second: Sequence[str]) -> MatchedLabels:
    """Match the classes of two bundles by their labels, letter by letter.

    Classes of the same label within one bundle are matched in their order.
    """
    labels = list(first)
    places = {key: place for place, key in enumerate(_numbered(first))}
    for label, key in zip(second, _numbered(second), strict=True):
        if key not in places:
            places[key] = len(labels)
            labels.append(label)
    found = [places[key] for key in _numbered(second)]
    return MatchedLabels(tuple(labels), np.arange(len(first)), np.array(found, np.int64))


def _numbered(labels: Sequence[str]) -> list[tuple[str, int]]:
    """Return each label, and how many equal ones are before it."""
    seen = Counter[str]()
    numbered = []
    for label in map(normalize_name, labels):
        numbered.append((label, seen[label]))
        seen[label] += 1
    return numbered
