"""Reads the body of a request and enforces limits on its size, on its time, and on the bytes of all bodies together."""

import asyncio
import time
from types import TracebackType
from typing import NamedTuple

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.batching.admission import CapacityLimiter
from service.errors import BodyTimeout, BodyTooLarge, EmptyBody, QueueFull

_DISCARD_S = 2.0
"""Seconds for which the rest of a rejected body is read and discarded."""


class Body(NamedTuple):
    """The complete body, and the seconds that receiving it took."""

    content: bytes
    seconds: float


class BodyReader:
    """Reads bodies. `gate` counts the bytes of all bodies that are being received or processed."""

    def __init__(self, max_body_bytes: int, gate: CapacityLimiter, timeout_s: float) -> None:
        self.limit = max_body_bytes
        self.gate = gate
        self.timeout_s = timeout_s

    def receive(self, messages: Receive, announced: int | None, *, whole: bool = False) -> "Receiving":
        """Return a context manager that yields the Body; its bytes count as in use until the context ends.

        messages: the `receive` callable of ASGI. announced: value of Content-Length, None if the request has none.
        whole: whether the body has been received already, so that no timeout is needed.
        Entering raises EmptyBody, BodyTooLarge, BodyTimeout, QueueFull or ClientDisconnect.
        """
        return Receiving(self, messages, announced, whole)


class Receiving:
    """Receives the body of one request and owns its share of the limiter."""

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
