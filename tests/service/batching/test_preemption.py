"""Bulk batches are preempted for interactive images, and run again later in smaller ones."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from service.batching.batch import BatchJob
from service.batching.batcher import BatchCallbacks, Batcher
from service.batching.bulk_slots import BulkSlots
from service.batching.entry import Entry
from service.batching.preemption import Preempted, PreemptibleBatches
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
    """The bulk batch is preempted, and its images are run again afterwards, in smaller batches."""
    bulk = await submitted(batcher, range(3), BULK)
    assert engine.sizes == [3]
    interactive = await submitted(batcher, range(5, 6), INTERACTIVE)
    assert engine.sizes == [3, 1]
    assert len(preempted) == 1
    engine.release()
    answers = await asyncio.gather(*bulk, *interactive)
    assert [answer.probabilities.argmax() for answer in answers] == [0, 1, 2, 5]
    assert engine.sizes == [3, 1, 1, 2]


async def test_an_admitted_image_that_is_still_decoded_preempts_a_bulk_batch(
    engine: GatedEngine, batcher: Batcher
) -> None:
    """The bulk batch waits from the admission of an interactive image until its answer, decoded or not."""
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


async def test_a_bulk_batch_is_not_preempted_while_a_loop_is_free(engine: GatedEngine) -> None:
    """Where the engine can run the interactive batch at the same time, the bulk batch runs to its end."""
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


def bulk_job(*values: int) -> BatchJob:
    loop = asyncio.get_running_loop()
    return BatchJob([Entry(image(value), False, loop.create_future()) for value in values], only_request=False)


@pytest.fixture
async def batches(engine: GatedEngine) -> PreemptibleBatches:
    return PreemptibleBatches(engine, BulkSlots(), max_batch_size=4)


async def test_the_size_limit_is_halved_by_a_preemption_and_doubled_by_a_completed_batch(
    engine: GatedEngine, batches: PreemptibleBatches
) -> None:
    """The limit follows the gaps between interactive images, and never exceeds the largest batch."""
    assert batches.claim()
    running = asyncio.create_task(batches.run(bulk_job(0, 1, 2, 3)))
    await engine.entered.wait()
    batches.preempt_one()
    with pytest.raises(Preempted):
        await running
    assert batches.most == 2
    engine.release()
    for limit in (4, 4):
        await batches.run(bulk_job(0, 1))
        assert batches.most == limit


async def test_the_size_limit_of_a_bulk_batch_is_at_least_one(engine: GatedEngine, batches: PreemptibleBatches) -> None:
    """However often bulk batches are preempted, the size limit stays at least 1."""
    assert batches.claim()
    running = asyncio.create_task(batches.run(bulk_job(0)))
    await engine.entered.wait()
    batches.preempt_one()
    with pytest.raises(Preempted):
        await running
    assert batches.most == 1


async def test_a_cancelled_caller_is_not_a_preemption(engine: GatedEngine, batches: PreemptibleBatches) -> None:
    """When the loop that runs a bulk batch is cancelled, `run` ends as cancelled and keeps the size limit."""
    running = asyncio.create_task(batches.run(bulk_job(0, 1)))
    await engine.entered.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert batches.most == 4
    assert not batches


async def test_a_preemption_frees_the_slot_at_once(engine: GatedEngine, batches: PreemptibleBatches) -> None:
    """The engine has one slot: it cannot be claimed while a bulk batch runs, and can be after the preemption."""
    assert batches.claim()
    running = asyncio.create_task(batches.run(bulk_job(0)))
    await engine.entered.wait()
    assert not batches.claim()
    batches.preempt_one()
    assert batches.claim()
    with pytest.raises(Preempted):
        await running


async def test_as_many_batches_are_preempted_as_exceed_the_slots() -> None:
    """Of three bulk batches, one goes on beside one interactive image, as one more slot stays free."""
    engine, slots = GatedEngine(concurrency=3), BulkSlots()
    batches = PreemptibleBatches(engine, slots, max_batch_size=4)
    running = []
    for value in range(3):
        assert batches.claim()
        running.append(asyncio.create_task(batches.run(bulk_job(value))))
        await asyncio.sleep(0)
    slots.add_interactive(1)
    batches.make_room()
    engine.release()
    ended = await asyncio.gather(*running, return_exceptions=True)
    assert [isinstance(each, Preempted) for each in ended] == [False, True, True]
