"""The timeouts of a connection."""

import asyncio
import math
from collections.abc import Callable
from enum import Enum, auto

_LINGER_S = 2.0
"""Seconds that a client has to close the connection after a refusal."""


class TimeoutKind(Enum):
    """What a connection waits for. In all cases but SERVICE it waits for the client."""

    SERVICE = auto()
    """The service's response, which has limits of its own."""
    REQUEST = auto()
    """The next request after one that was answered."""
    HEAD = auto()
    """The first request, or the rest of a head."""
    BODY = auto()
    """The rest of a body whose request was answered before the body was complete."""
    READER = auto()
    """The client has to read before more is written."""
    FAREWELL = auto()
    """The client has to close after a refusal. If the server closed first, the client might lose the refusal."""
    END = auto()
    """The client has to read the last bytes of a closed connection."""


class ConnectionTimeouts:
    """The timeouts of one connection. Calls `over` with the kind that has expired."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, client_s: float, keep_alive_s: float, over: Callable[[TimeoutKind], None]
    ) -> None:
        """Create timeouts, none of them running.

        client_s: seconds for each step that waits for the client. keep_alive_s: seconds for the next request.
        """
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
        """Start the timeout of this kind, unless it is the one already running."""
        if wait is self._wait:
            return
        self._wait = wait
        self.end()
        limit_s = self._limits_s.get(wait, self._client_s)
        if limit_s < math.inf:
            self._timer = self._loop.call_later(limit_s, self._ring)

    def end(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        wait, self._wait = self._wait, None
        if wait is not None:
            self._over(wait)
