"""Delays refusals (503) to clients that retry at once, which would otherwise use the CPU time of accepted requests."""

import asyncio
import time
from collections.abc import Callable

_AT_ONCE = 64
"""Refusals in excess of the credit from responses and from time that are sent without delay."""
CREDIT_PER_ANSWER = 2
"""Refusals without delay that one response earns. At three times the capacity, no refusal is delayed for long."""
_PAID_PER_S = 32
"""Refusals without delay that one second earns. So few refusals take no measurable CPU time."""
_WAIT_S = 0.25
"""Seconds by which a refusal is delayed."""


class RefusalPacer:
    """Delays the refusals of one process, for all clients together."""

    def __init__(self, most_waiting: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Create a pacer.

        most_waiting: refusals delayed at a time; further ones are sent at once. clock: returns seconds.
        """
        self._most_waiting = most_waiting
        self._clock = clock
        self._unpaid = 0.0
        self._paid_until = clock()
        self.waiting = 0

    def answered(self) -> None:
        """Count a request that was answered."""
        self._pay(CREDIT_PER_ANSWER)

    async def refuse(self, deadline_s: float, *, over_share: bool = False) -> None:
        """Return when the refusal may be sent: at once, or after a delay while most requests are refused.

        over_share: whether the client is refused for the sake of others; such refusals are always delayed.
        The delay is at most half of `deadline_s`, so that the client has time to ask another server.
        """
        now = self._clock()
        self._pay((now - self._paid_until) * _PAID_PER_S)
        self._paid_until = now
        self._unpaid = min(self._unpaid + 1, 2 * _AT_ONCE)
        if (self._unpaid <= _AT_ONCE and not over_share) or self.waiting >= self._most_waiting:
            return
        self.waiting += 1
        try:
            await asyncio.sleep(min(_WAIT_S, deadline_s / 2))
        finally:
            self.waiting -= 1

    def _pay(self, refusals: float) -> None:
        self._unpaid = max(0.0, self._unpaid - refusals)
