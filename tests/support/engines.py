"""Engines for the batcher's tests: real objects that wait until they are released."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from models.contract import Pixels
from service.errors import EngineFailure
from service.types import Batch, DensePrediction, Prediction


@dataclass
class GatedEngine:
    """Says of an image whose pixels are all v that class v is certain; waits for `release()` first."""

    provider: str = "cpu"
    concurrency: int = 1
    classes: int = 8
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    sizes: list[int] = field(default_factory=list)
    failures: int = 0
    no_number_for: set[int] = field(default_factory=set)
    made: int = 0
    in_thread: bool = False
    closed: bool = False

    def release(self) -> None:
        self.gate.set()

    threads_per_batch: int = 1
    single_image_threads: int = 1

    async def predict(self, make: Callable[[], Batch]) -> Prediction:
        batch = await asyncio.to_thread(make) if self.in_thread else make()
        self.made += 1
        self.sizes.append(len(batch.images))
        self.entered.set()
        await self.gate.wait()
        return self.run(batch)

    def run(self, batch: Batch) -> Prediction:
        """The answer itself."""
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the device is gone")
        rows = np.eye(self.classes, dtype=np.float32)[batch.images[:, 0, 0, 0]]
        rows[np.isin(batch.images[:, 0, 0, 0], list(self.no_number_for))] = np.nan
        return Prediction(rows, rows[:, :, None, None] if batch.class_map else None)

    async def predict_dense(self, image: Pixels) -> DensePrediction:
        raise EngineFailure("this engine has no class map")

    def close(self) -> None:
        self.closed = True
