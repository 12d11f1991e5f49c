"""A client that leaves ends the work for it: the connection tells the task, nobody has to listen meanwhile."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

T = TypeVar("T")
_KEY = "snellen.hang_up"
"""In the scope of a request; servers other than ours do not put it there."""


class HangUp:
    """Of one request: whether its client has left, and the task to cancel when that happens."""

    def __init__(self) -> None:
        self.happened = False
        self.task: asyncio.Task[Any] | None = None

    def happen(self) -> None:
        self.happened = True
        if self.task is not None:
            self.task.cancel()


def expect_hang_up(scope: Any) -> None:
    """For the server: before the application sees the request."""
    scope[_KEY] = HangUp()


def hang_up(scope: Any) -> None:
    """For the server: the client has left."""
    scope[_KEY].happen()


async def unless_gone(scope: Scope, receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client hangs up. Raises ClientDisconnect then."""
    told: HangUp | None = scope.get(_KEY)
    if told is None:
        return await _listening(receive, work)
    if told.happened:
        work.close()
        raise ClientDisconnect
    told.task = asyncio.current_task()
    try:
        return await work
    except asyncio.CancelledError:
        if told.happened:
            raise ClientDisconnect from None
        raise
    finally:
        told.task = None


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
