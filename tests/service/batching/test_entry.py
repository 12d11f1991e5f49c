"""The queue entry of one image."""

import asyncio

import numpy as np

from service.batching.entry import Entry
from service.errors import EngineFailure
from service.types import EngineResult, ReadyPixels

PIXELS = np.zeros((2, 2, 3), np.uint8)
ROW = np.array([0.25, 0.75], np.float32)


def entry() -> Entry:
    return Entry(ReadyPixels(PIXELS), False, asyncio.get_running_loop().create_future())


async def test_the_first_result_of_an_entry_is_final() -> None:
    """An error that is delivered after the result is ignored."""
    answered = entry()
    result = EngineResult(ROW, None, queue_s=0, infer_s=0)
    answered.answer(result)
    answered.fail(EngineFailure("too late"))
    assert await answered.result is result
    assert not answered.alive


async def test_an_entry_that_a_client_has_left_ignores_its_result() -> None:
    """Delivering to a cancelled entry raises nothing."""
    left = entry()
    left.result.cancel()
    left.answer(EngineResult(ROW, None, queue_s=0, infer_s=0))
    left.fail(EngineFailure("no client waits"))
    assert left.result.cancelled()
