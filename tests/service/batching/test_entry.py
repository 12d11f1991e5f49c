"""The queue entry of one image, and its part of a batch's output."""

import asyncio

import numpy as np

from service.batching.entry import Entry, class_map_of
from service.errors import EngineFailure
from service.types import EngineResult, Prediction, ReadyPixels

PIXELS = np.zeros((2, 2, 3), np.uint8)
ROW = np.array([0.25, 0.75], np.float32)


def entry(*, class_map: bool = False) -> Entry:
    return Entry(ReadyPixels(PIXELS), class_map, asyncio.get_running_loop().create_future())


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


async def test_a_class_map_is_returned_only_to_the_entry_that_requested_it() -> None:
    """The class map at the index of the entry is returned, or None where it was not requested or does not exist."""
    maps = np.arange(2 * 2 * 1 * 1, dtype=np.float32).reshape(2, 2, 1, 1)
    with_maps, without_maps = Prediction(np.stack([ROW, ROW]), maps), Prediction(np.stack([ROW, ROW]))
    found = class_map_of(with_maps, 1, entry(class_map=True))
    assert found is not None
    assert found.tolist() == maps[1].tolist()
    assert class_map_of(with_maps, 1, entry()) is None
    assert class_map_of(without_maps, 1, entry(class_map=True)) is None
