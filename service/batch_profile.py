"""How long batches of each size take on this machine, and which size pays: measured at load, not configured."""

import time
from typing import NamedTuple

import numpy as np

from service.engine import Batch, OnnxEngine


class BatchSeconds(NamedTuple):
    """Measured time of one batch."""

    batch_size: int
    seconds: float

    @property
    def images_per_s(self) -> float:
        return self.batch_size / self.seconds


def measure(engine: OnnxEngine, shape: tuple[int, ...], largest: int, budget_s: float = 1.0) -> list[BatchSeconds]:
    """Warm up batch sizes 1, 2, 4 ... `largest` and time each, best of three.

    Stops when the budget is spent or when larger batches have become clearly slower per image.
    """
    profile: list[BatchSeconds] = []
    started, size, improving = time.perf_counter(), 1, True
    while size <= largest and improving and (not profile or time.perf_counter() - started < budget_s):
        batch = Batch(np.zeros((size, *shape), np.uint8))
        profile.append(BatchSeconds(size, min(_timed(engine, batch) for _ in range(3))))
        improving = profile[-1].images_per_s > 0.8 * max(point.images_per_s for point in profile)
        size *= 2
    return profile


def _timed(engine: OnnxEngine, batch: Batch) -> float:
    started = time.perf_counter()
    engine.run(batch)
    return time.perf_counter() - started


def best_batch_size(profile: list[BatchSeconds], tolerance: float = 0.05) -> int:
    """The smallest measured size within `tolerance` of the best throughput: larger would only add latency."""
    best = max(point.images_per_s for point in profile)
    return next(point.batch_size for point in profile if point.images_per_s >= best * (1 - tolerance))
