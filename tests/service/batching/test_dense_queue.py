"""Large images run alone, few wait, and what is refused says when to come back."""

import asyncio
from dataclasses import dataclass, field

import numpy as np
import pytest

from models.contract import Pixels
from service.batching.dense_queue import DenseLimits, DenseQueue
from service.errors import EngineFailure, NotReady, QueueFull, TooManyImages
from service.types import DensePrediction

IMAGE = np.zeros((4, 4, 3), np.uint8)


@dataclass
class GatedDenseEngine:
    """Waits until released; counts how many run at a time."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    running: int = 0
    most: int = 0
    fails: bool = False

    async def predict_dense(self, image: Pixels) -> DensePrediction:
        self.running += 1
        self.most = max(self.most, self.running)
        self.entered.set()
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        if self.fails:
            raise EngineFailure("the device is gone")
        nothing = np.zeros(1, np.float32)
        return DensePrediction(nothing, nothing, nothing)


@pytest.fixture
def engine() -> GatedDenseEngine:
    return GatedDenseEngine()


@pytest.fixture
def dense_queue(engine: GatedDenseEngine) -> DenseQueue:
    return DenseQueue(
        engine.predict_dense, DenseLimits(max_pixels=100, max_predictions=100, max_queue=3), asyncio.Semaphore(1)
    )


async def run(dense_queue: DenseQueue) -> float:
    """The seconds that it waited for its turn."""
    with dense_queue.admit(1):
        async with dense_queue.slot() as queue_s:
            await dense_queue.run(IMAGE)
            return queue_s


async def test_one_runs_at_a_time(engine: GatedDenseEngine, dense_queue: DenseQueue) -> None:
    """The others wait, also those of other models with the same turns."""
    calls = [asyncio.create_task(run(dense_queue)) for _ in range(3)]
    await engine.entered.wait()
    engine.gate.set()
    waits = await asyncio.gather(*calls)
    assert engine.most == 1
    assert waits == sorted(waits)


async def test_few_may_wait(engine: GatedDenseEngine, dense_queue: DenseQueue) -> None:
    """One more is refused with a time to come back; what can never be admitted, for good."""
    calls = [asyncio.create_task(run(dense_queue)) for _ in range(3)]
    await engine.entered.wait()
    with pytest.raises(QueueFull) as refused:
        await run(dense_queue)
    assert refused.value.retry_after_s == pytest.approx(3.0)
    with pytest.raises(TooManyImages), dense_queue.admit(4):
        pass
    engine.gate.set()
    await asyncio.gather(*calls)
    await run(dense_queue)


async def test_who_leaves_makes_room(engine: GatedDenseEngine, dense_queue: DenseQueue) -> None:
    """While it waits and while it runs."""
    running, waiting, last = (asyncio.create_task(run(dense_queue)) for _ in range(3))
    await engine.entered.wait()
    waiting.cancel()
    running.cancel()
    engine.gate.set()
    await last
    assert engine.running == 0


async def test_a_failure_is_one_images(engine: GatedDenseEngine, dense_queue: DenseQueue) -> None:
    """The next one has its turn."""
    engine.gate.set()
    engine.fails = True
    with pytest.raises(EngineFailure):
        await run(dense_queue)
    engine.fails = False
    await run(dense_queue)


async def test_a_stopped_lane_begins_nothing(dense_queue: DenseQueue) -> None:
    """What waited is told so."""
    dense_queue.stop()
    with pytest.raises(NotReady):
        await run(dense_queue)
