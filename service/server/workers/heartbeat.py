"""Finds processes that hang: a loaded one that does not answer the supervisor for a while is killed."""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterable

from service.server.workers.control_channel import PING
from service.server.workers.process import ManagedProcess

logger = logging.getLogger(__name__)

_BEATS = 5
"""Unanswered in a row. They are counted, not timed: while a container is paused, say, none is sent."""


class Heartbeat:
    """Only processes that have loaded their models: what a library does before that may take any time."""

    def __init__(self, places: Callable[[], Iterable[ManagedProcess]], limit_s: float) -> None:
        self._places = places
        self._limit_s = limit_s

    def start(self) -> None:
        """Inside the event loop."""
        asyncio.get_running_loop().call_later(self._limit_s / _BEATS, self._beat)

    def _beat(self) -> None:
        self.start()
        for place in self._places():
            if place.ready:
                self._feel(place)

    def _feel(self, place: ManagedProcess) -> None:
        if place.missed_heartbeats == _BEATS:
            logger.error("%s has not answered for %g s and is killed", place.name, self._limit_s)
            place.signal(signal.SIGKILL)
        elif place.missed_heartbeats < _BEATS:
            place.tell(PING)
        place.missed_heartbeats += 1
