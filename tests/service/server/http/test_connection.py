"""Answers of an odd number of writes, whose last one has nothing to leave with, when the connection ends right then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from service.server.http.connection import protocol

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
