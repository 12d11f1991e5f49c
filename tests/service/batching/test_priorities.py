"""Bulk work fills gaps: it waits for interactive work, and gives way to it."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from service.batching.batcher import BatchCallbacks, Batcher
from service.errors import NotReady
from service.types import EngineResult, Priority, ReadyPixels
from tests.support.engines import GatedEngine

BULK, INTERACTIVE = Priority.BULK, Priority.INTERACTIVE


def image(value: int) -> ReadyPixels:
    return ReadyPixels(np.full((2, 2, 3), value, np.uint8))


@pytest.fixture
async def engine() -> GatedEngine:
    return GatedEngine()


preempted: list[None] = []


@pytest.fixture
async def batcher(engine: GatedEngine) -> AsyncIterator[Batcher]:
    preempted.clear()
    batcher = Batcher(engine, 4, 16, BatchCallbacks(preemption=lambda: preempted.append(None)))
    batcher.start()
    yield batcher
    engine.release()
    await batcher.stop()


async def submitted(batcher: Batcher, values: range, priority: Priority) -> list[asyncio.Task[EngineResult]]:
    calls = [asyncio.create_task(batcher.submit(image(value), priority=priority)) for value in values]
    for _ in range(3):
        await asyncio.sleep(0)
    return calls


async def test_an_interactive_image_does_not_wait_for_a_bulk_batch(engine: GatedEngine, batcher: Batcher) -> None:
    """The bulk batch is given up, and run again afterwards, in smaller ones: they fit better into gaps."""
    bulk = await submitted(batcher, range(3), BULK)
    assert engine.sizes == [3]
    interactive = await submitted(batcher, range(5, 6), INTERACTIVE)
    assert engine.sizes == [3, 1]
    assert len(preempted) == 1
    engine.release()
    answers = await asyncio.gather(*bulk, *interactive)
    assert [answer.probabilities.argmax() for answer in answers] == [0, 1, 2, 5]
    assert engine.sizes == [3, 1, 1, 2]


async def test_an_image_that_is_still_decoded_counts_too(engine: GatedEngine, batcher: Batcher) -> None:
    """Its batch will come, and decoding needs the core; the bulk batch goes on when the image is answered."""
    bulk = await submitted(batcher, range(3), BULK)
    batcher.expect(1)
    await submitted(batcher, range(0), BULK)
    await asyncio.sleep(0.01)
    assert (engine.sizes, len(preempted)) == ([3], 1)
    engine.release()
    batcher.expect(0)
    answers = await asyncio.gather(*bulk)
    assert [answer.probabilities.argmax() for answer in answers] == [0, 1, 2]
    assert engine.sizes == [3, 1, 2]


async def test_bulk_work_takes_the_loops_that_are_left() -> None:
    """Beside one interactive image, one of three; when it has gone two, since others may follow."""
    engine = GatedEngine(concurrency=3)
    batcher = Batcher(engine, 1, 16)
    batcher.start()
    batcher.expect(1)
    calls = await submitted(batcher, range(3), BULK)
    assert engine.sizes == [1]
    batcher.expect(0)
    await asyncio.sleep(0.01)
    assert engine.sizes == [1, 1]
    engine.release()
    await asyncio.gather(*calls)
    await batcher.stop()


async def test_a_free_loop_is_enough(engine: GatedEngine) -> None:
    """Where another batch can be run at the same time, the bulk batch stays."""
    engine.concurrency = 2
    batcher = Batcher(engine, 4, 16, BatchCallbacks(preemption=lambda: preempted.append(None)))
    preempted.clear()
    batcher.start()
    bulk = await submitted(batcher, range(2), BULK)
    interactive = await submitted(batcher, range(5, 6), INTERACTIVE)
    engine.release()
    await asyncio.gather(*bulk, *interactive)
    assert (engine.sizes, preempted) == ([2, 1], [])
    await batcher.stop()


async def test_stopping_answers_bulk_work_too(engine: GatedEngine, batcher: Batcher) -> None:
    """What runs and what waits."""
    calls = await submitted(batcher, range(6), BULK)
    await batcher.stop()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(answer, NotReady) for answer in answers)
