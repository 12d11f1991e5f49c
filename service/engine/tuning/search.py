"""Times configurations within a budget: first each with growing batches, then the good ones in rounds."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.engine.session import EngineRejected
from service.engine.tuning.candidate import CandidateConfig
from service.engine.tuning.timing import BatchTimer, zero_batch
from service.errors import EngineFailure

logger = logging.getLogger(__name__)

_CLEARLY_WORSE = 0.8
"""Share of a configuration's best throughput below which it tries no larger batches."""
_HOPELESS = 0.5
"""Share of the best throughput of all below which a configuration that hardly grows is abandoned."""
_FIRST_MARGIN, _LAST_MARGIN, _STEP = 0.5, 0.95, 0.07
"""Share of the best throughput needed to stay in the rounds, in the first and last round, and its step.

The margin rises slowly, so that one slow timing excludes no candidate.
"""

ProgressCallback = Callable[[CandidateConfig, int], None]


@dataclass(frozen=True)
class Rules:
    """The rules of a search.

    image: [H, W, C]. sizes: batch sizes, ascending. latency_s: limit of a batch of more than one image.
    budget_s: seconds for all timings. window_s: seconds of one timing.
    """

    image: tuple[int, ...]
    sizes: Sequence[int]
    latency_s: float
    budget_s: float
    window_s: float = 0.02


class Search:
    """Measures configurations. The first one is always measured, the others while time is left."""

    def __init__(
        self, lanes: Sequence[CandidateConfig], rules: Rules, observe: ProgressCallback = lambda _lane, _size: None
    ) -> None:
        self._lanes, self._rules, self._observe = lanes, rules, observe
        self._stopwatch = BatchTimer(rules.window_s)
        self._end: float | None = None
        self._last_opening_s = 0.0
        self._refused: set[object] = set()
        self.refusals: list[str] = []

    def run(self) -> None:
        """Time all configurations. Those whose session cannot be opened or does not run get no measurement."""
        for lane in self._lanes:
            if not self._measured_any() or self._time_left(self._opening_s(lane)):
                self._open(lane)
                self._climb(lane)
        self._rounds()

    def _time_left(self, needed_s: float = 0.0) -> bool:
        return self._end is None or time.perf_counter() + needed_s < self._end

    def _opening_s(self, lane: CandidateConfig) -> float:
        """Return the expected seconds to open the session: as for the last one, 0 if it is open."""
        return 0.0 if lane.contender.engine is not None else self._last_opening_s

    def _measured_any(self) -> bool:
        return any(lane.seconds for lane in self._lanes)

    def _open(self, lane: CandidateConfig) -> None:
        if lane.contender.kind in self._refused:
            return
        try:
            began = time.perf_counter()
            lane.contender.ready()
            self._last_opening_s = time.perf_counter() - began
            self._end = self._end or time.perf_counter() + self._rules.budget_s  # not counting the first, needed anyway
            self._measure(lane, self._rules.sizes[0])
        except (EngineRejected, EngineFailure) as error:
            self._refuse(lane, error)

    def _climb(self, lane: CandidateConfig) -> None:
        """Try larger batches while they may be better. Called in each round, with better estimates each time."""
        for size in self._rules.sizes:
            if not lane.seconds or lane.full:
                return
            if size not in lane.seconds:
                if not (self._promising(lane) and self._time_left()):
                    return
                self._step(lane, size)

    def _step(self, lane: CandidateConfig, size: int) -> None:
        try:
            self._measure(lane, size)
        except EngineFailure:
            lane.full = True
            logger.warning("%s on %s: no batches of %d", lane.contender.precision, lane.contender.provider, size)

    def _refuse(self, lane: CandidateConfig, error: Exception) -> None:
        self._refused.add(lane.contender.kind)
        self.refusals.append(str(error))
        logger.warning("%s on %s is not tried: %s", lane.contender.precision, lane.contender.provider, error)

    def _promising(self, lane: CandidateConfig) -> bool:
        """Return whether a larger batch could be chosen, judged by the smaller ones."""
        sizes = sorted(lane.seconds)
        last, before = sizes[-1], sizes[-2] if len(sizes) > 1 else None
        growth = lane.seconds[last] / lane.seconds[before] if before else 1.0
        if lane.seconds[last] * max(1.0, growth) > 1.25 * self._rules.latency_s:
            return False
        if lane.rate(last) < _CLEARLY_WORSE * lane.best_rate():
            return False
        if max(map(lane.rate, sizes[-2:])) < max(map(lane.rate, sizes[:-2]), default=0.0):
            return False  # the last two sizes were no better
        growing = before is None or lane.rate(last) > 1.1 * lane.rate(before)
        return growing or lane.best_rate() >= _HOPELESS * self._best_rate()

    def _best_rate(self) -> float:
        return max(lane.best_rate() for lane in self._lanes)

    def _measure(self, lane: CandidateConfig, size: int) -> None:
        batch, known = zero_batch(size, self._rules.image), lane.seconds.get(size)
        seconds = self._stopwatch.seconds(lane.contender.ready(), batch, lane.shape.concurrency, known)
        lane.add(size, seconds)
        self._observe(lane, size)

    def _rounds(self) -> None:
        """Time the good candidates in turn until the budget is spent.

        Other load affects all alike, because they take turns. More and more time goes to those that may be chosen.
        """
        margin = _FIRST_MARGIN
        while self._measured_any() and self._time_left():
            for lane in self._lanes:
                self._climb(lane)
            near = [(lane, size) for lane in self._lanes for size in lane.seconds if self._is_near(lane, size, margin)]
            if len(near) == 1 and margin == _LAST_MARGIN:
                break  # only one candidate is left
            for lane, size in near:
                if self._time_left():
                    self._measure(lane, size)
            margin = min(_LAST_MARGIN, margin + _STEP)

    def _is_near(self, lane: CandidateConfig, size: int, margin: float) -> bool:
        return lane.rate(size) >= margin * self._best_rate()
