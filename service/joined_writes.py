"""An answer's head goes out with its body: one system call, and one packet that wakes the client once."""

import asyncio


class JoinedWrites:
    """The part of asyncio.Transport that answers are written to. A write waits for the next one of the same turn."""

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: bytes | None = None

    def write(self, data: bytes) -> None:
        """With the one before it, or else at the end of this turn of the event loop."""
        if self._held is None:
            self._held = data
            self._loop.call_soon(self.flush)
            return
        held, self._held = self._held, None
        self._transport.writelines((held, data))

    def flush(self) -> None:
        """What was held, unless the connection has ended."""
        held, self._held = self._held, None
        if held is not None and not self._transport.is_closing():
            self._transport.write(held)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()
