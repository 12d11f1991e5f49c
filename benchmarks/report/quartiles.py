"""A number that was measured several times: its median and its quartiles; and the quotient of two of them, by turns."""

import statistics
from collections.abc import Iterable, Mapping
from typing import NamedTuple

MIN_TURNS = 3
"""Of fewer turns a median says nothing, so there is none."""


class Quartiles(NamedTuple):
    """Quartiles of `n` values; of one value it is that value."""

    low: float
    median: float
    high: float
    n: int

    @property
    def text(self) -> str:
        """As in `0.93 (0.90-0.95)`; alone where there are no quartiles."""
        if self.n < MIN_TURNS:
            return number(self.median)
        return f"{number(self.median)} ({number(self.low)}-{number(self.high)})"


def number(value: float | None) -> str:
    """Four significant digits at most, never in powers of ten."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def quartiles_of(values: Iterable[float]) -> Quartiles | None:
    """Nothing of nothing."""
    found = sorted(values)
    if not found:
        return None
    if len(found) == 1:
        return Quartiles(found[0], found[0], found[0], 1)
    low, median, high = statistics.quantiles(found, n=4, method="inclusive")
    return Quartiles(low, median, high, len(found))


def quotient(above: Mapping[int, float], below: Mapping[int, float]) -> Quartiles | None:
    """Of the turns in which both were measured, each divided within its turn; nothing when they are fewer than FEWEST.

    A machine whose speed changes from turn to turn changes both, so that the quotient keeps still.
    """
    shared = [turn for turn in above if below.get(turn)]
    return quartiles_of(above[turn] / below[turn] for turn in shared) if len(shared) >= MIN_TURNS else None
