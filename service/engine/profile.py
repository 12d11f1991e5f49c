"""The measured batch times of a machine, and the configuration that was chosen by them. Plain values."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from service.types import Engine

INLINE_S = 0.005
"""Limit in seconds for running a batch in the event loop.

Other requests would wait for the batch in any case, and no thread has to be woken.
"""
_DISPATCH_S, _INLINE_DISPATCH_S = 0.001, 0.0002
"""Seconds of a core to dispatch a batch of any size, in a thread and in the event loop.

See docs/decisions/the-smallest-batch-within-three-percent.md.
"""


_CROWDED_SHARE = 0.8
"""Part of the best throughput that has to be left while batches are short for the sake of other clients."""


class BatchSeconds(NamedTuple):
    """The measured seconds of one batch, with as many others running as the engine takes at a time."""

    batch_size: int
    seconds: float

    @property
    def images_per_s(self) -> float:
        """Throughput of one caller, with the time to form, dispatch and answer the batch."""
        return self.batch_size / (self.seconds + (_INLINE_DISPATCH_S if self.seconds <= INLINE_S else _DISPATCH_S))


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
        return self.concurrency * BatchSeconds(self.batch_size, self.seconds).images_per_s


class Profile(BaseModel):
    """The chosen configuration, the reason, and all measurements. Stored as JSON and sent to other processes."""

    model_config = ConfigDict(frozen=True)

    chosen: Measurement
    points: tuple[BatchSeconds, ...] = Field(min_length=1, description="of the chosen configuration, ascending")
    alone_s: float = Field(gt=0, description="one image while nothing else runs")
    reason: str
    tried: tuple[Measurement, ...] = ()

    @property
    def batch_size(self) -> int:
        """The largest batch that is formed."""
        return self.chosen.batch_size

    @property
    def crowded_batch_size(self) -> int:
        """The largest batch while one client crowds others out: the smallest with at least 80 % of the throughput.

        A client that is not in the present batch waits for its end.
        """
        least = _CROWDED_SHARE * BatchSeconds(self.chosen.batch_size, self.chosen.seconds).images_per_s
        enough = (point.batch_size for point in self.points if point.images_per_s >= least)
        return min(self.batch_size, *enough)

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


def largest_within(points: Iterable[BatchSeconds], seconds: float) -> int:
    """Return the size of the largest batch that takes at most `seconds`; 0 if none does."""
    return max((point.batch_size for point in points if point.seconds <= seconds), default=0)


class LoadedEngine(NamedTuple):
    """The result of loading a bundle: a verified engine, with its measured profile.

    cached: whether the profile was measured before this opening. decodes: whether the engine has at least as many
    threads as would decode images otherwise, so that it decodes them itself. after_all_loaded: work to do when all
    models serve.
    """

    engine: Engine
    profile: Profile
    cached: bool
    decodes: bool = False
    after_all_loaded: Callable[[], None] = lambda: None
