"""A simulated device that only waits, to test frontends and batching as on a fast device without having one.

The service does not know it: a process that is started with `environment(...)` finds a `sitecustomize` that puts it
in place of the engine.
"""

import asyncio
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from models.contract import Bundle, Manifest, Pixels
from service import build
from service.engine.profile import BatchSeconds, LoadedEngine, Measurement, Profile
from service.engine.tuning.selection import select
from service.errors import EngineFailure
from service.repository.loader import EngineFactory
from service.settings import Settings
from service.types import Batch, DensePrediction, Prediction

_ROOT = Path(__file__).parents[2]
_VARIABLE = "SIMULATED_DEVICE"
"""Milliseconds by batch size, as in 1:2.0,8:3.0,32:6.0."""


def environment(table: str) -> dict[str, str]:
    """Return the variables with which a service has a simulated device; an empty table: the real one.

    table: milliseconds by batch size, as in 1:2.0,8:3.0,32:6.0.
    """
    if not table:
        return {}
    paths = (Path(__file__).parent / "simulated_device", _ROOT, os.environ.get("PYTHONPATH"))
    return {_VARIABLE: table, "PYTHONPATH": os.pathsep.join(str(path) for path in paths if path)}


def install() -> None:
    """Put the simulated device in place of the engines of this process. Called by `sitecustomize`."""
    build.engine_factory = _factory


def _factory(settings: Settings, cores: int) -> EngineFactory:
    points = parse(os.environ[_VARIABLE])
    return lambda bundle, _: load_simulated(bundle, points)


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


def parse(table: str) -> list[BatchSeconds]:
    """Return the seconds by batch size, ascending."""
    points = (point.split(":") for point in table.split(","))
    return sorted(BatchSeconds(int(size), float(milliseconds) / 1000) for size, milliseconds in points)


def load_simulated(bundle: Bundle, points: list[BatchSeconds]) -> LoadedEngine:
    """Return a simulated engine in place of a verified and measured one."""
    tried = [
        Measurement(
            precision="fp32",
            provider=SimulatedEngine.provider,
            concurrency=1,
            threads_per_batch=1,
            batch_size=point.batch_size,
            seconds=point.seconds,
        )
        for point in points
    ]
    chosen = select(tried, latency_s=math.inf)
    profile = Profile(chosen=chosen, points=tuple(points), alone_s=points[0].seconds, reason="there was no other")
    return LoadedEngine(SimulatedEngine(bundle.manifest, points), profile, cached=False)
