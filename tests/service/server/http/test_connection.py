"""Answers of an odd number of writes, whose last one has nothing to leave with, when the connection ends right then.

And what reaches the socket, and when, of what is written in one turn of the event loop.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from service.server.http.connection import HttpConnection, protocol

HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
STREAM = b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"


class Answering:
    """An ASGI application; `ending`: the server ends its connections as soon as it has answered."""

    def __init__(self, *, ending: bool) -> None:
        self._ending = ending
        self.state = ServerState()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/stream":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"one", "more_body": True})
            await send({"type": "http.response.body", "body": b"two"})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
            await send({"type": "http.response.body", "body": b"all"})
        for connection in list(self.state.connections) if self._ending else ():
            connection.shutdown()


@asynccontextmanager
async def served(app: Answering) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to it."""
    config = uvicorn.Config(app, http=protocol(10, 100), ws="none", log_config=None, lifespan="off")
    config.load()
    made = config.http_protocol_class
    server = await asyncio.get_running_loop().create_server(
        lambda: made(config=config, server_state=app.state, app_state={}),  # type: ignore[call-arg]
        "127.0.0.1",
        0,
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()


async def answer_to(requests: bytes, *, ending: bool, says_no_more: bool = False) -> bytes:
    """All that comes until the server closes."""
    async with served(Answering(ending=ending)) as (reader, writer):
        writer.write(requests)
        if says_no_more:
            writer.write_eof()
        return await reader.read()


@pytest.mark.parametrize("says_no_more", [False, True], ids=["server ends", "client half closes"])
@pytest.mark.parametrize(
    ("requests", "end"), [(HEAD, b"\r\n\r\n"), (STREAM, b"two\r\n0\r\n\r\n")], ids=["head", "stream"]
)
def test_an_answer_is_whole(requests: bytes, end: bytes, *, says_no_more: bool) -> None:
    """Also when the connection ends in the turn of the loop in which it was written; with the service's own loop."""
    answer = uvloop.run(answer_to(requests, ending=not says_no_more, says_no_more=says_no_more))
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(end)


def test_a_refusal_comes_after_the_answers() -> None:
    """Also after one whose only write waits for another."""
    answer = uvloop.run(answer_to(HEAD + b"no request\r\n\r\n", ending=False))
    assert answer.index(b"200 OK") < answer.index(b"400 Bad Request")


def test_a_refusal_has_the_headers_of_other_answers() -> None:
    """And a request id of its own, in the problem too, by which the log has it."""
    answers = [uvloop.run(answer_to(b"no request\r\n\r\n", ending=False)) for _ in range(2)]
    ids = set()
    for answer in answers:
        head, _, body = answer.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-type"] == "application/problem+json"
        assert headers["x-request-id"] == json.loads(body)["request_id"]
        ids.add(headers["x-request-id"])
    assert len(ids) == 2


def test_refusals_are_counted_by_status(socket: "Socket") -> None:
    """Each connection once."""
    counted: list[int] = []
    config = uvicorn.Config(Answering(ending=False), ws="none", log_config=None, lifespan="off")
    made = cast(Any, protocol(10, 0, on_refused=counted.append))

    async def connect() -> None:
        made(config, ServerState(), {}).connection_made(cast(asyncio.Transport, socket))

    uvloop.run(connect())
    assert counted == [503]


class Socket:
    """Remembers each system call's bytes."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.closing = False

    def write(self, data: bytes) -> None:
        self.calls.append(bytes(data))

    def close(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def get_extra_info(self, _name: str) -> None:
        return None

    def resume_reading(self) -> None: ...

    def write_eof(self) -> None: ...


@pytest.fixture
def socket() -> Socket:
    return Socket()


def _writes(socket: Socket) -> HttpConnection:
    config = uvicorn.Config(Answering(ending=False), ws="none", log_config=None, lifespan="off")
    connection: HttpConnection = cast(Any, protocol(10, 100))(config, ServerState(), {})
    connection.connection_made(cast(asyncio.Transport, socket))
    return connection


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
