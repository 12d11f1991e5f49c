"""Answers go out at the end of a turn of the event loop: each in one packet, those of a batch one after the other."""

import asyncio

_MOST_HELD = 64 * 1024
"""Bytes. More go out at once, so that the transport sees how slow its client is."""


class WriteCoalescer:
    """The part of asyncio.Transport that answers are written to. What is written in one turn leaves at its end."""

    __slots__ = ("_held", "_loop", "_size", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """With all others of this turn."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > _MOST_HELD:
            self.flush()

    def flush(self) -> None:
        """What was held, unless the connection has ended."""
        held, self._held, self._size = self._held, [], 0
        if held and not self._transport.is_closing():
            self._transport.writelines(held)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()
