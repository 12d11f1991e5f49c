"""Finds unresponsive processes: a loaded process that does not answer the main process for a while is killed."""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterable

from service.server.workers.control_channel import PING
from service.server.workers.process import ManagedProcess

logger = logging.getLogger(__name__)

_BEATS = 5
"""Unanswered heartbeats in a row after which a process is killed.

They are counted and not timed: while a container is paused, for example, none is sent.
"""


class Heartbeat:
    """Sends heartbeats to processes that have loaded their models.

    Before that, library calls may block for any time.
    """

    def __init__(self, places: Callable[[], Iterable[ManagedProcess]], limit_s: float) -> None:
        self._processes = places
        self._limit_s = limit_s

    def start(self) -> None:
        """Start inside the event loop."""
        asyncio.get_running_loop().call_later(self._limit_s / _BEATS, self._beat)

    def _beat(self) -> None:
        self.start()
        for place in self._processes():
            if place.ready:
                self._feel(place)

    def _feel(self, place: ManagedProcess) -> None:
        if place.missed_heartbeats == _BEATS:
            logger.error("%s has not answered for %g s and is killed", place.name, self._limit_s)
            place.signal(signal.SIGKILL)
        elif place.missed_heartbeats < _BEATS:
            place.tell(PING)
        place.missed_heartbeats += 1
