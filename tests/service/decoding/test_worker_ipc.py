"""Messages between the service and a decode worker, whatever their size."""

import os
from collections.abc import Iterator

import pytest

from service.decoding.worker_ipc import HEAD_BYTES, SHARED_BYTES, Message, MessageLengths, WorkerPipe
from service.memfd import sealed_memory


@pytest.fixture
def ends() -> Iterator[tuple[WorkerPipe, WorkerPipe]]:
    """As two processes would have them."""
    memory = sealed_memory("test", SHARED_BYTES)
    yield WorkerPipe(memory), WorkerPipe(memory)
    os.close(memory)


def received(end: WorkerPipe, message: bytes) -> Message:
    lengths = MessageLengths.of(message[:HEAD_BYTES])
    rest = message[HEAD_BYTES:]
    assert len(rest) == lengths.head + lengths.piped
    return end.unpack(lengths, rest[: lengths.head], rest[lengths.head :])


@pytest.mark.parametrize("size", [0, 1, 150_000, SHARED_BYTES, SHARED_BYTES + 1])
def test_what_is_packed_comes_out(ends: tuple[WorkerPipe, WorkerPipe], size: int) -> None:
    """In either direction, one after the other, a short payload after a long one."""
    ours, theirs = ends
    for near, far in [(ours, theirs), (theirs, ours)]:
        for payload in (os.urandom(size), b"short"):
            assert received(far, b"".join(near.pack(Message({"a": [1, "ü"]}, payload)))) == Message(
                {"a": [1, "ü"]}, payload
            )


def test_a_photo_takes_little_room_in_the_pipe(ends: tuple[WorkerPipe, WorkerPipe]) -> None:
    """Its bytes are in the memory."""
    assert sum(map(len, ends[0].pack(Message({}, bytes(2_000_000))))) < 100


def test_the_payload_is_a_copy(ends: tuple[WorkerPipe, WorkerPipe]) -> None:
    """The other side may write what it likes afterwards."""
    ours, theirs = ends
    frame = received(theirs, b"".join(ours.pack(Message({}, b"first"))))
    ours.pack(Message({}, b"other"))
    assert frame.payload == b"first"


def test_the_memory_cannot_be_cut_off() -> None:
    """Who has mapped it would die of it."""
    memory = sealed_memory("test", 4096)
    with pytest.raises(PermissionError):
        os.ftruncate(memory, 0)
    os.close(memory)
