"""Median and quartiles of repeated measurements, and the quotient of two measurements within turns."""

import statistics
from collections.abc import Iterable, Mapping
from typing import NamedTuple

MIN_TURNS = 3
"""Smallest number of turns for which quartiles and quotients are shown."""


class Quartiles(NamedTuple):
    """The quartiles of `n` values; of one value, three times that value."""

    low: float
    median: float
    high: float
    n: int

    @property
    def text(self) -> str:
        """Return text such as `0.93 (0.90-0.95)`, or the median alone when `n` is below MIN_TURNS."""
        if self.n < MIN_TURNS:
            return number(self.median)
        return f"{number(self.median)} ({number(self.low)}-{number(self.high)})"


def number(value: float | None) -> str:
    """Format with at most four significant digits, never with an exponent; None becomes `-`."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def quartiles_of(values: Iterable[float]) -> Quartiles | None:
    """Return the quartiles of the values, or None without values."""
    found = sorted(values)
    if not found:
        return None
    if len(found) == 1:
        return Quartiles(found[0], found[0], found[0], 1)
    low, median, high = statistics.quantiles(found, n=4, method="inclusive")
    return Quartiles(low, median, high, len(found))


def quotient(above: Mapping[int, float], below: Mapping[int, float]) -> Quartiles | None:
    """Divide within each turn in which both were measured. Return the quartiles, or None below MIN_TURNS turns.

    Changes of the machine's speed from turn to turn affect both values, so the quotient stays the same.
    """
    shared = [turn for turn in above if below.get(turn)]
    return quartiles_of(above[turn] / below[turn] for turn in shared) if len(shared) >= MIN_TURNS else None
