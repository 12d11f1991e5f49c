"""How long batches of each size take on this machine, and which size pays: measured at load, not configured."""

import time
from typing import NamedTuple

import numpy as np

from service.engine import Batch, OnnxEngine

_ROUNDS = 6


class BatchSeconds(NamedTuple):
    """Measured time of one batch."""

    batch_size: int
    seconds: float

    @property
    def images_per_s(self) -> float:
        return self.batch_size / self.seconds


def measure(engine: OnnxEngine, shape: tuple[int, ...], largest: int, budget_s: float = 1.0) -> list[BatchSeconds]:
    """Warm up batch sizes 1, 2, 4 ... `largest` and time each; the best of some rounds counts.

    Larger batches are not tried when they have become clearly slower per image. The sizes take turns in the rounds, so
    that what else the machine does hits them alike. New sizes and rounds are begun until the budget is spent.
    """
    end = time.perf_counter() + budget_s
    best: dict[int, float] = {}
    size, improving = 1, True
    while size <= largest and improving and (not best or time.perf_counter() < end):
        batch = _blank(size, shape)
        best[size] = min(_timed(engine, batch) for _ in range(2))
        improving = size / best[size] > 0.8 * max(done / seconds for done, seconds in best.items())
        size *= 2
    for _ in range(_ROUNDS):
        for size in best if time.perf_counter() < end else ():
            best[size] = min(best[size], _timed(engine, _blank(size, shape)))
    return [BatchSeconds(size, seconds) for size, seconds in best.items()]


def _blank(size: int, shape: tuple[int, ...]) -> Batch:
    return Batch(np.zeros((size, *shape), np.uint8))


def _timed(engine: OnnxEngine, batch: Batch) -> float:
    started = time.perf_counter()
    engine.run(batch)
    return time.perf_counter() - started


def best_batch_size(profile: list[BatchSeconds], tolerance: float = 0.1) -> int:
    """The smallest measured size within `tolerance` of the best throughput: larger would only add latency."""
    best = max(point.images_per_s for point in profile)
    return next(point.batch_size for point in profile if point.images_per_s >= best * (1 - tolerance))


def largest_within(profile: list[BatchSeconds], seconds: float) -> int:
    """Images of the largest batch that takes no more than `seconds`; 0: not even one does."""
    return max((point.batch_size for point in profile if point.seconds <= seconds), default=0)
