"""A request's body, counted while it streams in: no more bytes and no more time than allowed, in each and in all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.admission import Gate
from service.errors import BodyTimeout, BodyTooLarge, EmptyBody, QueueFull

_DISCARD_S = 2.0


class Receiver:
    """`gate` counts the bytes of all bodies that are being received or worked on."""

    def __init__(self, max_body_bytes: int, gate: Gate, timeout_s: float) -> None:
        self._limit = max_body_bytes
        self._gate = gate
        self._timeout_s = timeout_s

    @asynccontextmanager
    async def receive(self, chunks: AsyncIterator[bytes], announced: int | None) -> AsyncIterator[bytes]:
        """The whole body; its bytes count as held until the context ends.

        announced: Content-Length. Raises EmptyBody, BodyTooLarge, BodyTimeout, QueueFull.
        """
        held = Held(self._gate)
        try:
            try:
                async with asyncio.timeout(self._timeout_s):
                    body = [await self._read(chunks, announced, held)]
            except TimeoutError:
                raise BodyTimeout(f"the body did not arrive within {self._timeout_s:g} s; send it again") from None
            yield body.pop()  # not kept here: who takes it apart may let it go
        finally:
            held.release()

    async def _read(self, chunks: AsyncIterator[bytes], announced: int | None, held: "Held") -> bytes:
        parts: list[bytes] = []
        try:
            self._check(announced or 0)
            async for chunk in chunks:
                self._check(held.count + len(chunk))
                held.add(len(chunk))
                parts.append(chunk)
        except (BodyTooLarge, QueueFull):
            parts.clear()
            await _discard(chunks)
            raise
        if not held.count:
            raise EmptyBody("the body is empty; send the bytes of an image, as in curl --data-binary @photo.jpg")
        return b"".join(parts)

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise BodyTooLarge(f"the body has more than {self._limit} bytes; send a smaller image or fewer at a time")


class Held:
    """What one request has taken of a gate."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.count = 0

    def add(self, count: int) -> None:
        """Raises QueueFull."""
        self._gate.enter(count)
        self.count += count

    def release(self) -> None:
        self._gate.leave(self.count)
        self.count = 0


async def _discard(chunks: AsyncIterator[bytes]) -> None:
    """Read on for a moment, keeping nothing: most clients look for an answer only when they have sent everything."""
    try:
        async with asyncio.timeout(_DISCARD_S):
            async for _ in chunks:
                pass
    except TimeoutError:
        return
