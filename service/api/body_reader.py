"""A request's body, counted while it streams in: no more bytes and no more time than allowed, in each and in all."""

import asyncio
import time
from types import TracebackType
from typing import NamedTuple

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.batching.admission import CapacityLimiter
from service.errors import BodyTimeout, BodyTooLarge, EmptyBody, QueueFull

_DISCARD_S = 2.0


class Body(NamedTuple):
    """The whole of it, and the seconds it took to come."""

    content: bytes
    seconds: float


class BodyReader:
    """`gate` counts the bytes of all bodies that are being received or worked on."""

    def __init__(self, max_body_bytes: int, gate: CapacityLimiter, timeout_s: float) -> None:
        self.limit = max_body_bytes
        self.gate = gate
        self.timeout_s = timeout_s

    def receive(self, messages: Receive, announced: int | None, *, whole: bool = False) -> "Receiving":
        """A context that gives the Body, whose bytes count as held until it ends.

        messages: ASGI's `receive`. announced: Content-Length. whole: it is there already.
        Raises EmptyBody, BodyTooLarge, BodyTimeout, QueueFull, ClientDisconnect.
        """
        return Receiving(self, messages, announced, whole)


class Receiving:
    """What one request receives, and holds of the gate."""

    def __init__(self, receiver: BodyReader, messages: Receive, announced: int | None, whole: bool) -> None:
        self._receiver = receiver
        self._messages = messages
        self._announced = announced
        self._whole = whole
        self._held = 0

    async def __aenter__(self) -> Body:
        started = time.perf_counter()
        try:
            content = await (self._read() if self._whole else self._read_in_time())
        except BaseException:
            self._release()
            raise
        return Body(content, time.perf_counter() - started)

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._release()

    async def _read_in_time(self) -> bytes:
        timeout_s = self._receiver.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                return await self._read()
        except TimeoutError:
            raise BodyTimeout(f"the body did not arrive within {timeout_s:g} s; send it again") from None

    async def _read(self) -> bytes:
        parts: list[bytes] = []
        more = True
        try:
            self._check(self._announced or 0)
            while more:
                chunk, more = await _next(self._messages)
                self._check(self._held + len(chunk))
                self._receiver.gate.enter(len(chunk))
                self._held += len(chunk)
                parts.append(chunk)
        except (BodyTooLarge, QueueFull):
            parts.clear()
            if more:
                await _discard(self._messages)
            raise
        if not self._held:
            raise EmptyBody("the body is empty; send the bytes of an image, as in curl --data-binary @photo.jpg")
        return b"".join(parts)

    def _check(self, size: int) -> None:
        limit = self._receiver.limit
        if size > limit:
            raise BodyTooLarge(f"the body has more than {limit} bytes; send a smaller image or fewer at a time")

    def _release(self) -> None:
        self._receiver.gate.leave(self._held)
        self._held = 0


async def _next(messages: Receive) -> tuple[bytes, bool]:
    """A piece of the body and whether there are more."""
    message = await messages()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


async def _discard(messages: Receive) -> None:
    """Read on for a moment, keeping nothing: most clients look for an answer only when they have sent everything."""
    try:
        async with asyncio.timeout(_DISCARD_S):
            while (await _next(messages))[1]:
                pass
    except TimeoutError:
        return
