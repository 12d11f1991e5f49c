"""Candidate sessions, opened when they are first timed, and their batch times."""

from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import ceil
from statistics import mean

from models.contract import Precision
from service.engine.onnx_engine import OnnxEngine
from service.engine.profile import BatchSeconds, Measurement, with_dispatch_cost
from service.engine.tuning.parallelism import Parallelism

_MANY_WINDOWS = 5
"""Timings after which a mean is trusted even if smaller batches are faster: they do fit into caches better."""


@dataclass
class CandidateSession:
    """One session: a variant on a provider with a number of threads. `open` raises EngineRejected."""

    precision: Precision
    provider: str
    cuda_graph: bool
    open: Callable[[], OnnxEngine]
    engine: OnnxEngine | None = None

    @property
    def kind(self) -> tuple[Precision, str, bool]:
        """What decides whether a session runs at all; threads do not matter for that."""
        return self.precision, self.provider, self.cuda_graph

    def ready(self) -> OnnxEngine:
        """Return the session, opening it if necessary. Raises EngineRejected."""
        self.engine = self.engine or self.open()
        return self.engine

    def close(self) -> None:
        if self.engine is not None:
            self.engine.close()
            self.engine = None


@dataclass
class CandidateConfig:
    """A candidate session with a parallelism.

    seconds: estimated seconds of a batch by its size. full: larger batches do not run.
    """

    contender: CandidateSession
    shape: Parallelism
    seconds: dict[int, float] = field(default_factory=dict)
    full: bool = False
    _windows: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, size: int, seconds: float) -> None:
        """Add one timing.

        The mean of the faster half counts: other load only slows a run down, and a single fast timing may be luck.
        """
        insort(self._windows[size], seconds)
        for each in sorted(self._windows):
            self.seconds[each] = self._estimate(each)

    def _estimate(self, size: int) -> float:
        """Return the estimated seconds of a batch.

        After few timings it is at most the time of smaller batches in a row: anything above is due to other load.
        """
        windows = self._windows[size]
        measured = mean(windows[: (len(windows) + 1) // 2])
        if len(windows) >= _MANY_WINDOWS:
            return measured
        return min([measured, *(ceil(size / each) * self.seconds[each] for each in self._windows if each < size)])

    def rate(self, size: int) -> float:
        """Return the images per second of all callers, dispatch included."""
        return self.shape.concurrency * size / with_dispatch_cost(self.seconds[size])

    def best_rate(self) -> float:
        return max(map(self.rate, self.seconds), default=0.0)

    def points(self) -> tuple[BatchSeconds, ...]:
        return tuple(BatchSeconds(size, self.seconds[size]) for size in sorted(self.seconds))

    def tried(self) -> Iterator[Measurement]:
        for size, seconds in sorted(self.seconds.items()):
            yield Measurement(
                precision=self.contender.precision.value,
                provider=self.contender.provider,
                cuda_graph=self.contender.cuda_graph,
                concurrency=self.shape.concurrency,
                threads_per_batch=self.shape.threads_per_batch,
                batch_size=size,
                seconds=seconds,
            )
