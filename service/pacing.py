"""A pace for refusals: clients that come again at once would take the cores from what was accepted."""

import asyncio

_AT_ONCE = 64
"""Refusals beyond those that answers pay for, before any has to wait."""
_PAID = 2
"""Refusals that one answer pays for: at three times the load nobody waits."""
_WAIT_S = 0.25


class Pacing:
    """Of one process."""

    def __init__(self, most_waiting: int) -> None:
        """most_waiting: refusals that wait at a time; further ones are told at once."""
        self._most_waiting = most_waiting
        self._unpaid = 0
        self.waiting = 0

    def answered(self) -> None:
        """A request got its answer."""
        self._unpaid = max(0, self._unpaid - _PAID)

    async def refuse(self, deadline_s: float) -> None:
        """Until the client may be told: at once, or _WAIT_S later, `deadline_s` at most, while most are refused."""
        self._unpaid = min(self._unpaid + 1, 2 * _AT_ONCE)
        if self._unpaid <= _AT_ONCE or self.waiting >= self._most_waiting:
            return
        self.waiting += 1
        try:
            await asyncio.sleep(min(_WAIT_S, deadline_s))
        finally:
            self.waiting -= 1
