"""How long a connection waits for what."""

import asyncio
import math
from collections.abc import Callable
from enum import Enum, auto

_LINGER_S = 2.0


class TimeoutKind(Enum):
    """What a connection is waiting for: the client in all but one case."""

    SERVICE = auto()
    """An answer of ours, which has limits of its own."""
    REQUEST = auto()
    """Another request after one that was answered."""
    HEAD = auto()
    """The first request, or the rest of a head."""
    BODY = auto()
    """The rest of a body that was answered before it was complete."""
    READER = auto()
    """The client has to take what was written before more is."""
    FAREWELL = auto()
    """The client has to close after a refusal: closing first could take the refusal from it."""
    END = auto()
    """The client has to take the last bytes of a closed connection."""


class ConnectionTimeouts:
    """Of one connection. Tells `over` what was waited for too long."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, client_s: float, keep_alive_s: float, over: Callable[[TimeoutKind], None]
    ) -> None:
        """client_s: for each thing that the client owes; keep_alive_s: for its next request."""
        self._limits_s = {
            TimeoutKind.SERVICE: math.inf,
            TimeoutKind.REQUEST: keep_alive_s,
            TimeoutKind.FAREWELL: _LINGER_S,
        }
        self._client_s = client_s
        self._over = over
        self._wait: TimeoutKind | None = None
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def wait_for(self, wait: TimeoutKind) -> None:
        """When it is another thing than before, it has its time from now on."""
        if wait is self._wait:
            return
        self._wait = wait
        self.end()
        limit_s = self._limits_s.get(wait, self._client_s)
        if limit_s < math.inf:
            self._timer = self._loop.call_later(limit_s, self._ring)

    def end(self) -> None:
        """Keeps no timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        wait, self._wait = self._wait, None
        if wait is not None:
            self._over(wait)
