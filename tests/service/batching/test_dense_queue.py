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
def lane(engine: GatedDenseEngine) -> DenseQueue:
    return DenseQueue(
        engine.predict_dense, DenseLimits(max_pixels=100, max_predictions=100, max_queue=3), asyncio.Semaphore(1)
    )


async def run(lane: DenseQueue) -> float:
    """The seconds that it waited for its turn."""
    with lane.hold(1):
        async with lane.turn() as queue_s:
            await lane.run(IMAGE)
            return queue_s


async def test_one_runs_at_a_time(engine: GatedDenseEngine, lane: DenseQueue) -> None:
    """The others wait, also those of other models with the same turns."""
    calls = [asyncio.create_task(run(lane)) for _ in range(3)]
    await engine.entered.wait()
    engine.gate.set()
    waits = await asyncio.gather(*calls)
    assert engine.most == 1
    assert waits == sorted(waits)


async def test_few_may_wait(engine: GatedDenseEngine, lane: DenseQueue) -> None:
    """One more is refused with a time to come back; what can never be admitted, for good."""
    calls = [asyncio.create_task(run(lane)) for _ in range(3)]
    await engine.entered.wait()
    with pytest.raises(QueueFull) as refused:
        await run(lane)
    assert refused.value.retry_after_s == pytest.approx(3.0)
    with pytest.raises(TooManyImages), lane.hold(4):
        pass
    engine.gate.set()
    await asyncio.gather(*calls)
    await run(lane)


async def test_who_leaves_makes_room(engine: GatedDenseEngine, lane: DenseQueue) -> None:
    """While it waits and while it runs."""
    running, waiting, last = (asyncio.create_task(run(lane)) for _ in range(3))
    await engine.entered.wait()
    waiting.cancel()
    running.cancel()
    engine.gate.set()
    await last
    assert engine.running == 0


async def test_a_failure_is_one_images(engine: GatedDenseEngine, lane: DenseQueue) -> None:
    """The next one has its turn."""
    engine.gate.set()
    engine.fails = True
    with pytest.raises(EngineFailure):
        await run(lane)
    engine.fails = False
    await run(lane)


async def test_a_stopped_lane_begins_nothing(lane: DenseQueue) -> None:
    """What waited is told so."""
    lane.stop()
    with pytest.raises(NotReady):
        await run(lane)
