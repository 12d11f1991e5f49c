"""Cancels the work for a client when the client disconnects."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.types import ClientState

T = TypeVar("T")


async def cancel_on_disconnect(client: ClientState | None, receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`. When the client disconnects, cancel `work` and raise ClientDisconnect.

    client: state that the connection keeps; None with another ASGI server, where a second task reads `receive` instead.
    """
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
    """Do the same with any ASGI server: wait for the work and for the disconnect message at the same time."""
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
