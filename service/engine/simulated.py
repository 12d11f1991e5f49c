"""A simulated device that only waits, to test frontends and batching as on a fast device without having one."""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from models.contract import Bundle, Manifest, Pixels
from service.engine.loaded import LoadedEngine
from service.engine.profile import BatchSeconds, plain_profile
from service.errors import EngineFailure
from service.types import Batch, DensePrediction, Prediction

VARIABLE = "SNELLEN_TEST_DEVICE"
"""Milliseconds by batch size, as in 1:2.0,8:3.0,32:6.0. Not a setting, because it is for tests and benchmarks only."""


class SimulatedEngine:
    """Returns uniform probabilities after the time of the next larger batch size in the table; uses no CPU."""

    provider = "simulated"
    concurrency = 1
    threads_per_batch = single_image_threads = 1

    def __init__(self, manifest: Manifest, profile: list[BatchSeconds]) -> None:
        self._classes = len(manifest.labels)
        self._profile = profile
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")

    async def predict(self, make: Callable[[], Batch]) -> Prediction:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: self.run(make()))

    def run(self, batch: Batch) -> Prediction:
        """Wait, and return the prediction, in the calling thread."""
        count = len(batch.images)
        time.sleep(self._seconds(count))
        rows = np.full((count, self._classes), 1 / self._classes, np.float32)
        return Prediction(rows, rows[:, :, None, None] if batch.class_map else None)

    async def predict_dense(self, image: Pixels) -> DensePrediction:
        raise EngineFailure("a simulated device has no dense classification")

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _seconds(self, count: int) -> float:
        larger = (point.seconds for point in self._profile if point.batch_size >= count)
        last = self._profile[-1]
        return next(larger, last.seconds * count / last.batch_size)


def wanted() -> list[BatchSeconds] | None:
    """Return the table of the environment variable; None if it is not set."""
    if not (text := os.environ.get(VARIABLE)):
        return None
    points = (point.split(":") for point in text.split(","))
    return sorted(BatchSeconds(int(size), float(milliseconds) / 1000) for size, milliseconds in points)


def load_simulated(bundle: Bundle, points: list[BatchSeconds]) -> LoadedEngine:
    """Return a simulated engine in place of a verified and measured one."""
    profile = plain_profile(points, SimulatedEngine.provider)
    return LoadedEngine(SimulatedEngine(bundle.manifest, points), profile, cached=False)
