"""A pace for refusals: clients that come again at once would take the cores from what was accepted."""

import asyncio
import time
from collections.abc import Callable

_AT_ONCE = 64
"""Refusals beyond those that answers and time pay for, before any has to wait."""
CREDIT_PER_ANSWER = 2
"""Refusals that one answer pays for: at three times the load nobody waits for long."""
_PAID_PER_S = 32
"""That a second pays for: so few take nothing from anybody."""
_WAIT_S = 0.25


class RefusalPacer:
    """Of one process, whoever its clients are."""

    def __init__(self, most_waiting: int, clock: Callable[[], float] = time.monotonic) -> None:
        """most_waiting: refusals that wait at a time; further ones are told at once. clock: in seconds."""
        self._most_waiting = most_waiting
        self._clock = clock
        self._unpaid = 0.0
        self._paid_until = clock()
        self.waiting = 0

    def answered(self) -> None:
        """A request got its answer."""
        self._pay(CREDIT_PER_ANSWER)

    async def refuse(self, deadline_s: float) -> None:
        """Until the client may be told: at once, or a moment later while most are refused.

        At most half of `deadline_s`, so that it can ask elsewhere.
        """
        now = self._clock()
        self._pay((now - self._paid_until) * _PAID_PER_S)
        self._paid_until = now
        self._unpaid = min(self._unpaid + 1, 2 * _AT_ONCE)
        if self._unpaid <= _AT_ONCE or self.waiting >= self._most_waiting:
            return
        self.waiting += 1
        try:
            await asyncio.sleep(min(_WAIT_S, deadline_s / 2))
        finally:
            self.waiting -= 1

    def _pay(self, refusals: float) -> None:
        self._unpaid = max(0.0, self._unpaid - refusals)
