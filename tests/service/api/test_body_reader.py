"""Bodies are bounded in bytes and in time, each and all together."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from service.api.body_reader import BodyReader
from service.batching.admission import CapacityLimiter
from service.errors import BodyTimeout, BodyTooLarge, EmptyBody, QueueFull


def chunks(*parts: bytes) -> Receive:
    """As an ASGI server gives them."""
    left = list(parts)

    async def receive() -> Message:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    return receive


def stalled(*, then: Message | None = None) -> Receive:
    """A beginning, and then nothing more, or another message."""
    first: list[Message] = [{"type": "http.request", "body": b"beginning", "more_body": True}]

    async def receive() -> Message:
        if first:
            return first.pop()
        if then is None:
            await asyncio.Event().wait()
        return then or {}

    return receive


async def receive(receiver: BodyReader, messages: Receive, announced: int | None = None) -> bytes:
    with receiver.hold() as held:
        return await receiver.read(messages, announced, held)


@pytest.fixture
def gate() -> CapacityLimiter:
    return CapacityLimiter(25, "bytes")


@pytest.fixture
def receiver(gate: CapacityLimiter) -> BodyReader:
    return BodyReader(10, gate, timeout_s=0.05)


async def test_a_body_arrives_whole_and_is_held_while_in_use(receiver: BodyReader, gate: CapacityLimiter) -> None:
    """Its bytes count until the answer is there."""
    with receiver.hold() as held:
        body = await receiver.read(chunks(b"some ", b"bytes", b""), 10, held)
        assert (body, gate.inside) == (b"some bytes", 10)
    assert gate.inside == 0


async def test_one_byte_too_many_is_refused(receiver: BodyReader, gate: CapacityLimiter) -> None:
    """Counted while streaming, whatever was announced."""
    with pytest.raises(BodyTooLarge, match="more than 10 bytes"):
        await receive(receiver, chunks(b"some bytes", b"!"), 5)
    assert gate.inside == 0


async def test_an_announced_size_is_refused_before_anything_is_kept(receiver: BodyReader) -> None:
    """Content-Length is believed when it is too large."""
    with pytest.raises(BodyTooLarge):
        await receive(receiver, chunks(b""), 11)


async def test_an_empty_body_is_refused(receiver: BodyReader) -> None:
    """There is nothing to classify."""
    with pytest.raises(EmptyBody):
        await receive(receiver, chunks(b""))


async def test_a_client_that_stops_sending_is_not_waited_for(receiver: BodyReader, gate: CapacityLimiter) -> None:
    """And its bytes are given back."""
    with pytest.raises(BodyTimeout):
        await receive(receiver, stalled())
    assert gate.inside == 0


async def test_a_client_that_leaves_in_the_middle_is_noticed(receiver: BodyReader, gate: CapacityLimiter) -> None:
    """Its bytes are given back too."""
    with pytest.raises(ClientDisconnect):
        await receive(receiver, stalled(then={"type": "http.disconnect"}))
    assert gate.inside == 0


async def test_all_bodies_together_are_bounded(receiver: BodyReader, gate: CapacityLimiter) -> None:
    """The one that would not fit is refused, those inside go on."""
    with receiver.hold() as first, receiver.hold() as second:
        for held in (first, second):
            await receiver.read(chunks(b"x" * 10), None, held)
        with pytest.raises(QueueFull, match="20 of 25 bytes"):
            await receive(receiver, chunks(b"x" * 6))
        assert gate.inside == 20
    assert gate.inside == 0


def test_a_gate_takes_all_or_nothing() -> None:
    """And says when to come back."""
    gate = CapacityLimiter(4, "images", lambda inside: inside * 2.0)
    gate.enter(3)
    with pytest.raises(QueueFull) as caught:
        gate.enter(2)
    assert (gate.inside, caught.value.retry_after_s) == (3, 6.0)
    with gate.hold(1):
        assert gate.inside == 4
    assert gate.inside == 3
