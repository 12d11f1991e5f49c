"""Reads the body of a request and enforces limits on its size, on its time, and on the bytes of all bodies together."""

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.batching.admission import CapacityLimiter, Held
from service.errors import BodyTimeout, BodyTooLarge, EmptyBody, QueueFull
from service.types import UNKNOWN_CLIENT

_DISCARD_S = 2.0
"""Seconds for which the rest of a rejected body is read and discarded."""


class BodyReader:
    """Reads bodies. `limiter` counts the bytes of all bodies that are being received or processed."""

    def __init__(self, max_body_bytes: int, limiter: CapacityLimiter, timeout_s: float) -> None:
        self.max_body_bytes, self._limiter, self._timeout_s = max_body_bytes, limiter, timeout_s

    def hold(self, client: int = UNKNOWN_CLIENT) -> Held:
        """Return a context until whose end the bytes that `read` counts in it are in use by a client."""
        return self._limiter.hold(0, client)

    def check(self, announced: int, client: int = UNKNOWN_CLIENT) -> None:
        """Check before a body is read that one of `announced` bytes would be accepted now.

        Raises BodyTooLarge, QueueFull.
        """
        self._check(announced)
        with self._limiter.hold(announced, client):
            pass

    async def read(self, messages: Receive, announced: int | None, held: Held) -> bytes:
        """Return the complete body of one request.

        messages: the `receive` callable of ASGI. announced: value of Content-Length, None if the request has none.
        Raises EmptyBody, BodyTooLarge, BodyTimeout, QueueFull or ClientDisconnect.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._read(messages, announced, held)
        except TimeoutError:
            raise BodyTimeout(f"the body did not arrive within {self._timeout_s:g} s; send it again") from None

    async def _read(self, messages: Receive, announced: int | None, held: Held) -> bytes:
        parts: list[bytes] = []
        size, more = 0, True
        try:
            self._check(announced or 0)
            while more:
                chunk, more = await _next(messages)
                size += len(chunk)
                self._check(size)
                held.add(len(chunk))
                parts.append(chunk)
        except (BodyTooLarge, QueueFull):
            parts.clear()
            if more:
                await _discard(messages)
            raise
        if not size:
            raise EmptyBody("the body is empty; send the bytes of an image, as in curl --data-binary @photo.jpg")
        return b"".join(parts)

    def _check(self, size: int) -> None:
        limit = self.max_body_bytes
        if size > limit:
            raise BodyTooLarge(f"the body has more than {limit} bytes; send a smaller image or fewer at a time")


async def _next(messages: Receive) -> tuple[bytes, bool]:
    """Return the next piece of the body and whether more follow. Raises ClientDisconnect."""
    message = await messages()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


async def _discard(messages: Receive) -> None:
    """Read and discard the rest of the body for up to _DISCARD_S seconds.

    Most clients read the response only after they have sent the whole body.
    """
    try:
        async with asyncio.timeout(_DISCARD_S):
            while (await _next(messages))[1]:
                pass
    except TimeoutError:
        return
