"""Entries and their slots, whatever becomes of the engines: fakes are links that only remember."""

import asyncio
from typing import cast

import numpy as np
import pytest

from models.contract import Pixels
from service.errors import EngineFailure, NotReady, QueueFull
from service.server.ipc.dispatcher import MAX_TRIES, EngineConnection, EngineDispatcher, IpcReply, RemoteImage
from service.server.ipc.pixel_slots import PixelSlots
from service.server.ipc.protocol import Kind, ResponseHeader

REPLY: IpcReply = (ResponseHeader(Kind.ANSWER, 0, 0, 0, 0, 0, 0, 1, 0), b"probabilities")


class Remembering(EngineConnection):
    """An engine that answers when the test says so."""

    def __init__(self, dispatch: EngineDispatcher, serves: str | None = "colours/1") -> None:
        super().__init__(cast(asyncio.StreamWriter, None))
        self.sent: list[RemoteImage] = []
        self.cancelled: list[RemoteImage] = []
        dispatch.add(self)
        if serves is not None:
            dispatch.serves(self, serves, 0)

    def send(self, image: RemoteImage) -> None:
        self.sent.append(image)

    def cancel(self, image: RemoteImage) -> None:
        self.cancelled.append(image)


@pytest.fixture
def dispatch() -> EngineDispatcher:
    return EngineDispatcher(PixelSlots(4, 12))


def image(value: int = 0) -> Pixels:
    return np.full((2, 2, 3), value, np.uint8)


def asked(dispatch: EngineDispatcher) -> "asyncio.Task[IpcReply]":
    return asyncio.ensure_future(dispatch.submit(RemoteImage("colours/1", image())))


async def test_an_answer_frees_the_slot(dispatch: EngineDispatcher) -> None:
    """And reaches who asked."""
    engine = Remembering(dispatch)
    task = asked(dispatch)
    await asyncio.sleep(0)
    assert dispatch.slots.free == 3
    dispatch.replied(engine, engine.sent[0].number, REPLY)
    assert await task == REPLY
    assert dispatch.slots.free == 4


async def test_entries_go_where_fewest_are(dispatch: EngineDispatcher) -> None:
    """Of this frontend's own."""
    engines = [Remembering(dispatch), Remembering(dispatch)]
    tasks = [asked(dispatch) for _ in range(4)]
    await asyncio.sleep(0)
    assert [len(engine.sent) for engine in engines] == [2, 2]
    for task in tasks:
        task.cancel()


async def test_what_a_dead_engine_held_goes_to_another(dispatch: EngineDispatcher) -> None:
    """In the slot where it is."""
    first = Remembering(dispatch)
    task = asked(dispatch)
    await asyncio.sleep(0)
    second = Remembering(dispatch)
    dispatch.lost(first)
    assert second.sent == first.sent
    dispatch.replied(second, second.sent[0].number, REPLY)
    assert await task == REPLY
    assert dispatch.slots.free == 4


async def test_without_an_engine_entries_wait_for_one(dispatch: EngineDispatcher) -> None:
    """That serves their version."""
    task = asked(dispatch)
    await asyncio.sleep(0)
    assert not Remembering(dispatch, "other/1").sent
    engine = Remembering(dispatch)
    dispatch.replied(engine, engine.sent[0].number, REPLY)
    assert await task == REPLY


async def test_an_image_is_not_tried_for_ever(dispatch: EngineDispatcher) -> None:
    """It may be what kills the engines."""
    task = asked(dispatch)
    await asyncio.sleep(0)
    for _ in range(MAX_TRIES):
        dispatch.lost(Remembering(dispatch))
    with pytest.raises(EngineFailure):
        await task
    assert dispatch.slots.free == 4


async def test_a_slot_that_an_engine_may_read_stays_taken(dispatch: EngineDispatcher) -> None:
    """Though nobody waits any more; until the engine says so."""
    engine = Remembering(dispatch)
    task = asked(dispatch)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert engine.cancelled == engine.sent
    assert dispatch.slots.free == 3
    dispatch.replied(engine, engine.sent[0].number, EngineFailure("forgotten"))
    assert dispatch.slots.free == 4


async def test_the_end_of_an_engine_frees_what_is_forgotten(dispatch: EngineDispatcher) -> None:
    """It is not run again."""
    first = Remembering(dispatch)
    task = asked(dispatch)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    second = Remembering(dispatch)
    dispatch.lost(first)
    assert not second.sent
    assert dispatch.slots.free == 4


async def test_a_deadline_ends_the_wait_for_an_engine(dispatch: EngineDispatcher) -> None:
    """With its slot free at once: nobody can read it."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await asked(dispatch)
    assert dispatch.slots.free == 4
    assert not Remembering(dispatch).sent


async def test_without_a_free_slot_an_image_is_refused(dispatch: EngineDispatcher) -> None:
    """At once; what is freed can be taken again."""
    engine = Remembering(dispatch)
    tasks = [asked(dispatch) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(QueueFull):
        await asked(dispatch)
    dispatch.replied(engine, engine.sent[0].number, REPLY)
    await tasks[0]
    last = asked(dispatch)
    await asyncio.sleep(0)
    assert len(engine.sent) == 5
    for task in [*tasks, last]:
        task.cancel()


async def test_after_a_version_is_closed_none_of_its_images_is_taken(dispatch: EngineDispatcher) -> None:
    """And what waits is told, until an engine process serves it again."""
    task = asked(dispatch)
    await asyncio.sleep(0)
    dispatch.close("colours/1")
    for refused in (task, asked(dispatch)):
        with pytest.raises(NotReady):
            await refused
    assert dispatch.slots.free == 4
    engine = Remembering(dispatch)
    task = asked(dispatch)
    await asyncio.sleep(0)
    dispatch.replied(engine, engine.sent[0].number, REPLY)
    assert await task == REPLY


async def test_an_image_larger_than_a_slot_travels_without_one(dispatch: EngineDispatcher) -> None:
    """So the models may change while slots keep their size."""
    engine = Remembering(dispatch)
    large = RemoteImage("colours/1", np.zeros((3, 3, 3), np.uint8))
    task = asyncio.ensure_future(dispatch.submit(large))
    await asyncio.sleep(0)
    assert (large.slot, large.pixels is not None, dispatch.slots.free) == (None, True, 4)
    dispatch.replied(engine, large.number, REPLY)
    assert await task == REPLY
