"""Of several ways to do the same, the one that takes the least time here, learnt from use."""

import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import fmean
from typing import Generic, TypeVar

_FIRST_TURNS = 5
"""Of each way, before there is a favourite."""
_LOOK_AROUND = 16
"""Every so many turns another way is tried, for the machine may have changed."""
_REMEMBERED = 8
"""Times of each way. The mean of the faster half counts: other work only slows."""

Way = TypeVar("Way")


class Fastest(Generic[Way]):
    """Not synchronized: who takes turns at the same time may spoil a time, no more."""

    def __init__(self, ways: Sequence[Way]) -> None:
        self._ways = ways
        self._times: list[deque[float]] = [deque(maxlen=_REMEMBERED) for _ in ways]
        self._seconds: list[float] = [0.0] * len(ways)
        self._turns: list[int] = [0] * len(ways)
        self._last_turn: list[int] = [0] * len(ways)
        self._promising: int | None = None

    @property
    def favourite(self) -> int:
        """Its number."""
        return min(range(len(self._ways)), key=self._seconds.__getitem__)

    @contextmanager
    def turn(self) -> Iterator[Way]:
        """A way to use now; the time until the end of the block is its own, endless if it fails."""
        number = self._next()
        started = time.perf_counter()
        try:
            yield self._ways[number]
        except BaseException:
            self.learn(number, math.inf)
            raise
        self.learn(number, time.perf_counter() - started)

    def learn(self, number: int, seconds: float) -> None:
        """One that was faster than the favourite is tried again at once, until it is the favourite or is not faster."""
        faster_than_usual = number != self.favourite and seconds < self._seconds[self.favourite]
        self._promising = number if faster_than_usual else None
        self._turns[number] += 1
        self._last_turn[number] = sum(self._turns)
        self._times[number].append(seconds)
        faster = sorted(self._times[number])[: (len(self._times[number]) + 1) // 2]
        self._seconds[number] = fmean(faster)

    def _next(self) -> int:
        if len(self._ways) == 1:
            return 0
        if self._promising is not None:
            return self._promising
        new = min(range(len(self._ways)), key=self._turns.__getitem__)
        if self._turns[new] < _FIRST_TURNS:
            return new
        favourite = self.favourite
        if sum(self._turns) % _LOOK_AROUND:
            return favourite
        return min((way for way in range(len(self._ways)) if way != favourite), key=self._last_turn.__getitem__)
