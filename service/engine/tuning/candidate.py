"""Sessions that could serve, opened when it is their turn, and what was timed of each."""

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
"""After so many a time is believed whatever the smaller batches say: caches do hold small ones better."""


@dataclass
class CandidateSession:
    """One session: a variant on a provider with so many threads. `open` raises EngineRejected."""

    precision: Precision
    provider: str
    cuda_graph: bool
    open: Callable[[], OnnxEngine]
    engine: OnnxEngine | None = None

    @property
    def kind(self) -> tuple[Precision, str, bool]:
        """What fails together: whether it runs does not depend on threads."""
        return self.precision, self.provider, self.cuda_graph

    def ready(self) -> OnnxEngine:
        """The session, opened if it is not yet. Raises EngineRejected."""
        self.engine = self.engine or self.open()
        return self.engine

    def close(self) -> None:
        if self.engine is not None:
            self.engine.close()
            self.engine = None


@dataclass
class CandidateConfig:
    """A contender in one shape; estimated seconds of a batch by its size. full: no larger ones run."""

    contender: CandidateSession
    shape: Parallelism
    seconds: dict[int, float] = field(default_factory=dict)
    full: bool = False
    _windows: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, size: int, seconds: float) -> None:
        """One more window. The mean of the faster half counts: other work only slows, and a single one may be luck."""
        insort(self._windows[size], seconds)
        for each in sorted(self._windows):
            self.seconds[each] = self._estimate(each)

    def _estimate(self, size: int) -> float:
        """After few windows no more than smaller batches in a row would take: what is above that is other work."""
        windows = self._windows[size]
        measured = mean(windows[: (len(windows) + 1) // 2])
        if len(windows) >= _MANY_WINDOWS:
            return measured
        return min([measured, *(ceil(size / each) * self.seconds[each] for each in self._windows if each < size)])

    def rate(self, size: int) -> float:
        """Images a second of all callers, handing over included."""
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
