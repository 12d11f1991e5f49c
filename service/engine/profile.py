"""The measured batch times of a machine, and the configuration that was chosen by them. Plain values."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

TOLERANCE = 0.03
"""Share of the throughput that a smaller batch may cost.

See docs/decisions/the-smallest-batch-within-three-percent.md.
"""
INLINE_S = 0.005
"""Limit in seconds for running a batch in the event loop.

Other requests would wait for the batch in any case, and no thread has to be woken.
"""
_HAND_OVER_S, _INLINE_HAND_OVER_S = 0.001, 0.0002
"""Seconds of a core to dispatch a batch of any size.

See docs/decisions/the-smallest-batch-within-three-percent.md.
"""


def with_dispatch_cost(seconds: float) -> float:
    """Return the seconds of a batch in the engine plus those to form, dispatch and answer it."""
    return seconds + (_INLINE_HAND_OVER_S if seconds <= INLINE_S else _HAND_OVER_S)


class BatchSeconds(NamedTuple):
    """The measured seconds of one batch, with as many others running as the engine takes at a time."""

    batch_size: int
    seconds: float

    @property
    def images_per_s(self) -> float:
        """Throughput of one caller, dispatch included."""
        return self.batch_size / with_dispatch_cost(self.seconds)


class Measurement(BaseModel):
    """One configuration and batch size, and the seconds of a batch with all callers running."""

    model_config = ConfigDict(frozen=True)

    precision: str
    provider: str
    cuda_graph: bool = False
    concurrency: int = Field(ge=1)
    threads_per_batch: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    seconds: float = Field(gt=0)

    @property
    def images_per_s(self) -> float:
        """Throughput of all callers together, dispatch included."""
        return self.concurrency * self.batch_size / with_dispatch_cost(self.seconds)

    @property
    def way(self) -> tuple[str, str, bool, int, int]:
        """The configuration without the batch size."""
        return self.precision, self.provider, self.cuda_graph, self.concurrency, self.threads_per_batch


class Profile(BaseModel):
    """The chosen configuration, the reason, and all measurements. Stored as JSON and sent to other processes."""

    model_config = ConfigDict(frozen=True)

    chosen: Measurement
    points: tuple[BatchSeconds, ...] = Field(min_length=1, description="of the chosen way, ascending")
    alone_s: float = Field(gt=0, description="one image while nothing else runs")
    reason: str
    tried: tuple[Measurement, ...] = ()

    @property
    def batch_size(self) -> int:
        """The largest batch that is formed."""
        return self.chosen.batch_size

    @property
    def images_per_s(self) -> float:
        """Throughput of all callers with batches of the chosen size, dispatch included."""
        return self.chosen.images_per_s

    def seconds(self, batch_size: int) -> float:
        """Return the seconds of one batch at full concurrency.

        Takes the next larger size that was measured; beyond the largest, time grows in proportion to the size.
        """
        last = self.points[-1]
        larger = (point.seconds for point in self.points if point.batch_size >= batch_size)
        return next(larger, last.seconds * batch_size / last.batch_size)


def plain_profile(points: Sequence[BatchSeconds], provider: str) -> Profile:
    """Return the profile of an engine that was not tuned: one batch at a time, of the best size."""
    size = best_batch_size(points)
    seconds = next(point.seconds for point in points if point.batch_size == size)
    chosen = Measurement(
        precision="fp32", provider=provider, concurrency=1, threads_per_batch=1, batch_size=size, seconds=seconds
    )
    return Profile(chosen=chosen, points=tuple(points), alone_s=points[0].seconds, reason="there was no other")


def best_batch_size(points: Sequence[BatchSeconds], tolerance: float = TOLERANCE) -> int:
    """Return the smallest measured size within `tolerance` of the best throughput.

    A larger one would only add latency.
    """
    best = max(point.images_per_s for point in points)
    return next(point.batch_size for point in points if point.images_per_s >= best * (1 - tolerance))


def largest_within(points: Iterable[BatchSeconds], seconds: float) -> int:
    """Return the size of the largest batch that takes at most `seconds`; 0 if none does."""
    return max((point.batch_size for point in points if point.seconds <= seconds), default=0)
