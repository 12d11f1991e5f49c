"""How long batches take on this machine, and the shape of the engine that was chosen for it: values, no measuring."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

TOLERANCE = 0.03
"""Of throughput: what a smaller batch may cost. See docs/decisions/the-smallest-batch-within-three-percent.md."""
INLINE_S = 0.005
"""A batch that takes no longer is run in the event loop: other requests wait for it anyway, and no thread is woken."""
_HAND_OVER_S, _INLINE_HAND_OVER_S = 0.001, 0.0002
"""Of a core, for a batch of any size; see docs/decisions/the-smallest-batch-within-three-percent.md."""


def with_dispatch_cost(seconds: float) -> float:
    """Of a batch that takes `seconds` in the network: with what it takes to form it, hand it over and answer it."""
    return seconds + (_INLINE_HAND_OVER_S if seconds <= INLINE_S else _HAND_OVER_S)


class BatchSeconds(NamedTuple):
    """Measured time of one batch, while as many others ran beside it as the engine takes at a time."""

    batch_size: int
    seconds: float

    @property
    def images_per_s(self) -> float:
        """Of one caller, handing over included."""
        return self.batch_size / with_dispatch_cost(self.seconds)


class Measurement(BaseModel):
    """One way to run the network, and how long a batch took with all its callers at work."""

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
        """Of all callers together, handing over included."""
        return self.concurrency * self.batch_size / with_dispatch_cost(self.seconds)

    @property
    def way(self) -> tuple[str, str, bool, int, int]:
        """All but the batch."""
        return self.precision, self.provider, self.cuda_graph, self.concurrency, self.threads_per_batch


class Profile(BaseModel):
    """What was chosen, why, and what it was chosen among. JSON goes into the cache and to other processes."""

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
        """With all callers at work on batches of the chosen size, handing over included."""
        return self.chosen.images_per_s

    def seconds(self, batch_size: int) -> float:
        """Of one batch at full concurrency: that of the next larger size measured, beyond those in proportion."""
        last = self.points[-1]
        larger = (point.seconds for point in self.points if point.batch_size >= batch_size)
        return next(larger, last.seconds * batch_size / last.batch_size)


def plain_profile(points: Sequence[BatchSeconds], provider: str) -> Profile:
    """Of an engine that was not searched for: one batch at a time, as large as pays."""
    size = best_batch_size(points)
    seconds = next(point.seconds for point in points if point.batch_size == size)
    chosen = Measurement(
        precision="fp32", provider=provider, concurrency=1, threads_per_batch=1, batch_size=size, seconds=seconds
    )
    return Profile(chosen=chosen, points=tuple(points), alone_s=points[0].seconds, reason="there was no other")


def best_batch_size(points: Sequence[BatchSeconds], tolerance: float = TOLERANCE) -> int:
    """The smallest measured size within `tolerance` of the best throughput: larger would only add latency."""
    best = max(point.images_per_s for point in points)
    return next(point.batch_size for point in points if point.images_per_s >= best * (1 - tolerance))


def largest_within(points: Iterable[BatchSeconds], seconds: float) -> int:
    """Images of the largest batch that takes no more than `seconds`; 0: not even one does."""
    return max((point.batch_size for point in points if point.seconds <= seconds), default=0)
