"""The work for a client is cancelled when the client disconnects, with our connection and with any ASGI server."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from service.api.disconnect import cancel_on_disconnect
from service.types import ClientState


class Work:
    """A coroutine that waits until it is released, and records how it ended."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.released = asyncio.Event()
        self.cancelled = False

    async def run(self) -> str:
        self.started.set()
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return "done"


class Connection:
    """The `receive` of an ASGI server: a message when one is put."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()

    async def receive(self) -> Message:
        return await self.messages.get()

    def disconnect(self) -> None:
        self.messages.put_nowait({"type": "http.disconnect"})


@pytest.fixture
async def work() -> Work:
    return Work()


@pytest.mark.parametrize("client", [ClientState(), None], ids=["our connection", "another server"])
async def test_the_result_of_the_work_is_returned(work: Work, client: ClientState | None) -> None:
    """A client that stays gets the result, and the connection no longer refers to the task."""
    work.released.set()
    assert await cancel_on_disconnect(client, Connection().receive, work.run()) == "done"
    assert client is None or client.task is None


@pytest.mark.parametrize("client", [ClientState(), None], ids=["our connection", "another server"])
async def test_an_error_of_the_work_is_raised(client: ClientState | None) -> None:
    """The error is the one of the work, unchanged."""

    async def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await cancel_on_disconnect(client, Connection().receive, fail())


async def test_a_disconnect_cancels_the_work(work: Work) -> None:
    """The connection reports that the client has disconnected while the work runs."""
    client = ClientState()
    request = asyncio.create_task(cancel_on_disconnect(client, Connection().receive, work.run()))
    await work.started.wait()
    client.leave()
    with pytest.raises(ClientDisconnect):
        await request
    assert work.cancelled


async def test_the_disconnect_message_of_another_server_cancels_the_work(work: Work) -> None:
    """Messages before it, such as the end of the body, are ignored."""
    connection = Connection()
    request = asyncio.create_task(cancel_on_disconnect(None, connection.receive, work.run()))
    await work.started.wait()
    connection.messages.put_nowait({"type": "http.request", "body": b"", "more_body": False})
    connection.disconnect()
    with pytest.raises(ClientDisconnect):
        await request
    await asyncio.sleep(0)
    assert work.cancelled


async def test_the_work_is_not_started_for_a_client_that_has_disconnected(work: Work) -> None:
    """The client may have disconnected while its body was being read."""
    client = ClientState()
    client.leave()
    with pytest.raises(ClientDisconnect):
        await cancel_on_disconnect(client, Connection().receive, work.run())
    assert not work.started.is_set()


@pytest.mark.parametrize("client", [ClientState(), None], ids=["our connection", "another server"])
async def test_a_cancellation_by_the_server_is_not_a_disconnect(work: Work, client: ClientState | None) -> None:
    """A request that the server cancels at the end of its drain ends as cancelled, and so does its work."""
    request = asyncio.create_task(cancel_on_disconnect(client, Connection().receive, work.run()))
    await work.started.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await asyncio.sleep(0)
    assert work.cancelled
