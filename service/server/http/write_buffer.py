"""Delays writes to the end of an iteration of the event loop, so that each response is one packet.

The responses of a batch are then sent one after the other.
"""

import asyncio

_MOST_HELD = 64 * 1024
"""Limit of delayed bytes; more are written at once, so that the transport notices a slow client."""


class WriteCoalescer:
    """The part of asyncio.Transport that responses use.

    Writes of one iteration of the event loop are sent at its end.
    """

    __slots__ = ("_held", "_loop", "_size", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Write together with all other data of this iteration."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > _MOST_HELD:
            self.flush()

    def flush(self) -> None:
        """Write the delayed data, unless the connection has ended."""
        held, self._held, self._size = self._held, [], 0
        if held and not self._transport.is_closing():
            self._transport.writelines(held)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()
