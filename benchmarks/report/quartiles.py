"""A number that was measured several times: its median and its quartiles; and the quotient of two of them, by turns."""

import statistics
from collections.abc import Iterable, Mapping
from typing import NamedTuple

FEWEST = 3
"""Of fewer turns a median says nothing, so there is none."""


class Spread(NamedTuple):
    """Quartiles of `n` values; of one value it is that value."""

    low: float
    middle: float
    high: float
    n: int

    @property
    def text(self) -> str:
        """As in `0.93 (0.90-0.95)`; alone where there are no quartiles."""
        if self.n < FEWEST:
            return number(self.middle)
        return f"{number(self.middle)} ({number(self.low)}-{number(self.high)})"


def number(value: float | None) -> str:
    """Four significant digits at most, never in powers of ten."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(values: Iterable[float]) -> Spread | None:
    """Nothing of nothing."""
    found = sorted(values)
    if not found:
        return None
    if len(found) == 1:
        return Spread(found[0], found[0], found[0], 1)
    low, middle, high = statistics.quantiles(found, n=4, method="inclusive")
    return Spread(low, middle, high, len(found))


def quotient(above: Mapping[int, float], below: Mapping[int, float]) -> Spread | None:
    """Of the turns in which both were measured, each divided within its turn; nothing when they are fewer than FEWEST.

    A machine whose speed changes from turn to turn changes both, so that the quotient keeps still.
    """
    shared = [turn for turn in above if below.get(turn)]
    return spread(above[turn] / below[turn] for turn in shared) if len(shared) >= FEWEST else None
