"""A timer that is set anew with every request and hardly ever rings."""

import asyncio
import math
from collections.abc import Callable

_EARLY_S = 0.002
"""That much early a timer of uvloop may ring: its clock has whole milliseconds."""


class Alarm:
    """Rings once, when the time that was last set has passed.

    To set a later time costs no timer of the event loop: the one that runs rings too early, and is then started again.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """From now on; infinity: it does not ring."""
        self._at = self._loop.time() + seconds
        if self._timer is not None and self._at < self._timer.when():
            self._stop()
        self._start()

    def cancel(self) -> None:
        """Keeps no timer."""
        self._at = math.inf
        self._stop()

    def _start(self) -> None:
        if self._timer is None and self._at < math.inf:
            self._timer = self._loop.call_at(self._at, self._look)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._loop.time() < self._at - _EARLY_S:
            self._start()
        else:
            self._at = math.inf
            self._ring()
