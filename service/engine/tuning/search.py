"""Times configurations within a budget: first each with growing batches, then the good ones in turn."""

import logging
import math
import time
from collections.abc import Callable
from typing import NamedTuple

from models.contract import Bundle, Precision
from service.engine.engines import LocalEngine
from service.engine.profile import BatchSeconds, Measurement, Profile
from service.engine.providers import ON_GPU
from service.engine.session import EngineRejected, Session
from service.engine.tuning.candidates import Candidate, TuningOptions, candidates_of
from service.engine.tuning.selection import explain_selection, select
from service.engine.tuning.timing import batch_seconds, processor_clock, zero_batch
from service.engine.verification import open_verified
from service.errors import EngineFailure
from service.types import Batch

logger = logging.getLogger(__name__)

_FIRST_SHARE, _LAST_SHARE, _STEP = 0.5, 0.95, 0.07
"""Share of the best throughput from which on a candidate is timed again, in the first and last round, and its step.

It rises slowly, so that one slow timing excludes no candidate.
"""
_WORSE = 0.8
"""Share of the best throughput from which on a larger batch is tried, even where throughput does not grow."""
_GROWS = 1.1
"""Growth of the throughput by a larger batch from which on a still larger one is tried, however slow it is yet."""

ProgressCallback = Callable[[Measurement], None]


class Tuned(NamedTuple):
    """An engine in its chosen configuration. `cached`: whether its profile was measured before this opening."""

    engine: LocalEngine
    profile: Profile
    cached: bool


def search(
    bundle: Bundle, wanted: TuningOptions, window_s: float = 0.02, observe: ProgressCallback = lambda _: None
) -> Tuned:
    """Return the engine of the best candidate. Raises EngineRejected when no session could be opened.

    window_s: seconds of one timing. observe: called after each timing.
    """
    work = Search(bundle, wanted, window_s, observe)
    chosen = None
    try:
        work.run()
        chosen, profile = work.choose()
        assert chosen.engine is not None
        return Tuned(chosen.engine, profile, cached=False)
    finally:
        for candidate in work.candidates:
            if candidate is not chosen:
                candidate.close()


class Search:
    """Times candidates: the first of every variant, each in its share of the time, then the others while time is left.

    Opening the first engine of a variant takes no time from the budget: a busy machine takes a second for it, and the
    fastest variant may be the last. Without a budget only the very first candidate is timed.
    """

    def __init__(self, bundle: Bundle, wanted: TuningOptions, window_s: float, observe: ProgressCallback) -> None:
        self._bundle, self._latency_s, self._window_s, self._observe = bundle, wanted.latency_s, window_s, observe
        self._low_priority = wanted.low_priority
        self._clock = processor_clock(wanted.cores) if wanted.low_priority else time.perf_counter
        self.candidates = candidates_of(bundle, wanted)
        variants = {(each.options.precision, each.options.providers) for each in self.candidates}
        self._budget_s, self._end, self._last_opening_s = wanted.budget_s * len(variants), math.inf, 0.0
        self._refused: dict[tuple[Precision, str, bool], str] = {}
        self._unopened = {each.variant for each in self.candidates}
        self._share_s, self._until = self._budget_s / max(1, len(self._unopened)), math.inf

    def run(self) -> None:
        """Time the candidates. Those whose session cannot be opened or does not run get no measurement."""
        for candidate in self.candidates:
            if candidate.variant not in self._refused and self._is_to_be_tried(candidate):
                self._start(candidate)
                self._try_larger_batches(candidate)
        self._until, share = self._end, _FIRST_SHARE
        while self._time_left():
            near = [each for each in self._measured() if each[1].images_per_s >= share * self._best()]
            if len(near) < 2 and share == _LAST_SHARE:
                break
            share = min(_LAST_SHARE, share + _STEP)
            for candidate, measurement in near:
                if self._time_left():
                    self._measure(candidate, measurement.batch_size)
            for candidate in self.candidates:
                self._try_larger_batches(candidate)

    def choose(self) -> tuple[Candidate, Profile]:
        """Return the best candidate, and its profile. Raises EngineRejected when nothing was measured."""
        tried = {measurement: candidate for candidate, measurement in self._measured()}
        if not tried:
            raise EngineRejected(next(iter(self._refused.values()), "there is no way to run it as the settings want"))
        chosen = select([*tried], self._latency_s)
        candidate = tried[chosen]
        assert candidate.engine is not None
        return candidate, Profile(
            chosen=chosen,
            points=tuple(BatchSeconds(each.batch_size, each.seconds) for each in candidate.measurements),
            alone_s=batch_seconds(candidate.engine, self._batch(1), 1, self._window_s, low_priority=self._low_priority),
            reason=explain_selection(chosen, [*tried], self._latency_s),
            tried=tuple(tried),
        )

    def _is_to_be_tried(self, candidate: Candidate) -> bool:
        if not self._measured():
            return True
        if candidate.variant in self._unopened:
            return self._budget_s > 0
        return self._time_left(0.0 if self._shared_session(candidate) else self._last_opening_s)

    def _time_left(self, needed_s: float = 0.0) -> bool:
        return self._clock() + needed_s < self._end

    def _measured(self) -> list[tuple[Candidate, Measurement]]:
        return [(candidate, each) for candidate in self.candidates for each in candidate.measurements]

    def _best(self) -> float:
        return max(each.images_per_s for _, each in self._measured())

    def _batch(self, size: int) -> Batch:
        return zero_batch(size, self._bundle.manifest.input.shape)

    def _start(self, candidate: Candidate) -> None:
        """Open the engine and time the smallest batch. The budget begins when the first engine is open."""
        began, is_first = self._clock(), candidate.variant in self._unopened
        self._unopened.discard(candidate.variant)
        try:
            try:
                candidate.engine = self._opened(candidate)
            finally:
                self._last_opening_s = self._clock() - began
                if is_first:
                    self._end += self._last_opening_s
            candidate.leave_out_unprepared()
            self._end = min(self._end, self._clock() + self._budget_s)
            self._until = self._end - self._share_s * len(self._unopened)
            self._measure(candidate, candidate.untried.pop(0))
        except (EngineRejected, EngineFailure) as error:
            precision, provider, _ = candidate.variant
            self._refused[candidate.variant] = str(error)
            logger.warning("%s on %s is not tried: %s", precision, provider, error)

    def _opened(self, candidate: Candidate) -> LocalEngine:
        bundle, options = self._bundle, candidate.options
        if session := self._shared_session(candidate):
            from service.engine.onnx_engine import OnnxEngine  # noqa: PLC0415  not for OpenVINO, which does without it

            return OnnxEngine(bundle.model_path(options.precision), bundle.manifest, options, session)
        again = any(each.engine and each.variant == candidate.variant for each in self.candidates)
        return open_verified(bundle, options, again=again)

    def _shared_session(self, candidate: Candidate) -> Session | None:
        """Return the open session of a candidate on a GPU that differs only in its number of callers."""
        if candidate.variant[1] not in ON_GPU:
            return None
        from service.engine.onnx_engine import OnnxEngine  # noqa: PLC0415  as above

        alike = (each.engine for each in self.candidates if each.variant == candidate.variant)
        return next((engine.session for engine in alike if isinstance(engine, OnnxEngine)), None)

    def _try_larger_batches(self, candidate: Candidate) -> None:
        while candidate.untried and self._clock() < self._until and self._may_grow(candidate):
            size = candidate.untried.pop(0)
            try:
                self._measure(candidate, size)
            except EngineFailure:
                candidate.untried.clear()
                precision, provider, _ = candidate.variant
                logger.warning("%s on %s: no batches of %d", precision, provider, size)

    def _may_grow(self, candidate: Candidate) -> bool:
        """Return whether a larger batch could be chosen, judged by the two largest that were timed."""
        if not (measured := candidate.measurements):
            return False
        before, last = measured[-2:][0], measured[-1]
        least = candidate.untried[0] / last.batch_size / 2  # an image takes at least half as long in the next size
        if last.seconds * max(1.0, least, last.seconds / before.seconds) > self._latency_s:
            return False
        grows = last is before or last.images_per_s > _GROWS * before.images_per_s
        return grows or last.images_per_s >= _WORSE * self._best()

    def _measure(self, candidate: Candidate, size: int) -> None:
        assert candidate.engine is not None
        expected_s, callers = candidate.seconds.get(size), candidate.options.concurrency
        seconds = batch_seconds(
            candidate.engine,
            self._batch(size),
            callers,
            self._window_s,
            expected_s,
            low_priority=self._low_priority,
        )
        candidate.add(size, seconds)
        self._observe(candidate.measurement(size, candidate.seconds[size]))
