"""What a connection knows of its client and the application needs: whether the body is there, and who has left."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")
_KEY = "snellen.client"
"""In the scope of a request; servers other than ours do not put it there."""


class Client:
    """Of one request. The connection sets both marks; nobody has to listen for them meanwhile."""

    __slots__ = ("has_left", "sent_all", "task")

    def __init__(self) -> None:
        self.sent_all = False
        self.has_left = False
        self.task: asyncio.Task[Any] | None = None

    def leave(self) -> None:
        """Ends the task that works for it."""
        self.has_left = True
        if self.task is not None:
            self.task.cancel()


def introduce_client(scope: Any) -> None:
    """For the connection: before the application sees the request."""
    scope[_KEY] = Client()


def client_of(scope: Any) -> Client | None:
    return scope.get(_KEY)  # type: ignore[no-any-return]


async def unless_gone(client: Client | None, receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client hangs up. Raises ClientDisconnect then."""
    if client is None:
        return await _listening(receive, work)
    if client.has_left:
        work.close()
        raise ClientDisconnect
    client.task = asyncio.current_task()
    try:
        return await work
    except asyncio.CancelledError:
        if client.has_left:
            raise ClientDisconnect from None
        raise
    finally:
        client.task = None


async def _listening(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The same for any ASGI server."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        gone.cancel()
        task.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
