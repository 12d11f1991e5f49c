"""Accepts for all frontends and hands each connection to the one with the fewest: nobody's luck decides."""

import asyncio
import logging
import socket
from collections.abc import Sequence

from service.server.sockets import last_connections
from service.server.workers.control_channel import CONNECTION
from service.server.workers.process import ManagedProcess

logger = logging.getLogger(__name__)

_TRY_AGAIN_S = 0.2


class ConnectionBalancer:
    """While no frontend takes connections they wait in the system's backlog, and none is lost."""

    def __init__(self, listeners: Sequence[socket.socket], frontends: Sequence[ManagedProcess]) -> None:
        self._listeners, self._frontends = listeners, frontends
        self._open = False
        for listener in listeners:
            listener.setblocking(False)

    def watch(self) -> None:
        """Open while a frontend is up; to be told whenever that may have changed."""
        wanted = any(frontend.up for frontend in self._frontends)
        if wanted == self._open:
            return
        self._open = wanted
        loop = asyncio.get_running_loop()
        for listener in self._listeners if wanted else ():
            loop.add_reader(listener.fileno(), self._accept, listener)
        for listener in self._listeners if not wanted else ():
            loop.remove_reader(listener.fileno())

    def ended(self, frontend: ManagedProcess, connections: int) -> None:
        """So many of its connections have; known a moment later than it happened."""
        frontend.open_connections -= connections

    def shut(self) -> None:
        """Hand over who has come already, and let nobody else in."""
        for listener in self._listeners:
            if listener.fileno() >= 0:
                asyncio.get_running_loop().remove_reader(listener.fileno())
                for connection in last_connections(listener):
                    self._hand_over(connection)
        self._listeners, self._open = (), False

    def _accept(self, listener: socket.socket) -> None:
        while self._candidates():
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError as error:
                self._rest(error)
                return
            self._hand_over(connection)

    def _hand_over(self, connection: socket.socket) -> None:
        frontend = min(self._candidates(), key=_load, default=None)
        if frontend is None:
            connection.close()
            return
        frontend.open_connections += 1
        frontend.handed_over += 1
        frontend.tell(CONNECTION, descriptors=[connection.detach()])

    def _candidates(self) -> Sequence[ManagedProcess]:
        """One that is loading answers probes, but nothing else, so it waits while another can do more."""
        ready = [frontend for frontend in self._frontends if frontend.ready]
        return (
            [frontend for frontend in ready if not frontend.hangs]
            or ready
            or [frontend for frontend in self._frontends if frontend.up]
        )

    def _rest(self, error: OSError) -> None:
        """No descriptors are left, say; the listener stays readable, so trying at once would take all of a core."""
        logger.error("cannot accept connections: %s; trying again in %g s", error, _TRY_AGAIN_S)
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.remove_reader(listener.fileno())
        self._open = False
        loop.call_later(_TRY_AGAIN_S, self.watch)


def _load(frontend: ManagedProcess) -> tuple[int, int]:
    """Fewest connections first; of equals the one that was given fewest so far."""
    return frontend.open_connections, frontend.handed_over
