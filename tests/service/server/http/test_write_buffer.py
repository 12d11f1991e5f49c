"""What reaches the socket, and when, of what is written in one turn of the event loop."""

import asyncio
from typing import cast

import pytest

from service.server.http.write_buffer import WriteCoalescer


class Socket:
    """Remembers each system call's bytes."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.closing = False

    def writelines(self, parts: list[bytes]) -> None:
        self.calls.append(b"".join(parts))

    def close(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing


@pytest.fixture
def socket() -> Socket:
    return Socket()


def _writes(socket: Socket) -> WriteCoalescer:
    return WriteCoalescer(cast(asyncio.Transport, socket), asyncio.get_running_loop())


async def test_a_head_and_its_body_are_one_call(socket: Socket) -> None:
    writes = _writes(socket)
    writes.write(b"head ")
    assert socket.calls == []
    writes.write(b"body")
    assert socket.calls == []
    await asyncio.sleep(0)
    assert socket.calls == [b"head body"]


async def test_answers_of_one_turn_leave_after_all_are_written(socket: Socket) -> None:
    """So that the system calls of a batch follow each other."""
    others = Socket()
    for writes in (_writes(socket), _writes(others)):
        writes.write(b"answer")
        assert (socket.calls, others.calls) == ([], [])
    await asyncio.sleep(0)
    assert (socket.calls, others.calls) == ([b"answer"], [b"answer"])


async def test_much_does_not_wait(socket: Socket) -> None:
    """It would hide from the transport that its client reads slowly."""
    writes = _writes(socket)
    for _ in range(5):
        writes.write(bytes(30_000))
    assert [len(call) for call in socket.calls] == [90_000]
    await asyncio.sleep(0)
    assert [len(call) for call in socket.calls] == [90_000, 60_000]


async def test_a_head_whose_body_takes_time_leaves_first(socket: Socket) -> None:
    writes = _writes(socket)
    writes.write(b"head")
    await asyncio.sleep(0)
    assert socket.calls == [b"head"]


async def test_parts_keep_their_order(socket: Socket) -> None:
    writes = _writes(socket)
    for part in (b"1", b"2", b"3", b"4", b"5"):
        writes.write(part)
    await asyncio.sleep(0)
    assert socket.calls == [b"12345"]


async def test_nothing_is_lost_by_closing(socket: Socket) -> None:
    writes = _writes(socket)
    writes.write(b"last words")
    writes.close()
    assert socket.calls == [b"last words"]
    assert writes.is_closing()


async def test_a_broken_connection_is_not_written_to(socket: Socket) -> None:
    writes = _writes(socket)
    writes.write(b"too late")
    socket.closing = True
    await asyncio.sleep(0)
    assert socket.calls == []
