"""Accepts connections for all frontends and passes each to the frontend with the least connections."""

import asyncio
import logging
import socket
from collections.abc import Sequence

from service.server.sockets import last_connections
from service.server.workers.control_channel import CONNECTION, close_all
from service.server.workers.process import ManagedProcess

logger = logging.getLogger(__name__)

_TRY_AGAIN_S = 0.2
"""Seconds until accepting is tried again after an error."""


class ConnectionBalancer:
    """Accepts while a frontend is up. Otherwise connections wait in the kernel's backlog, and none is lost."""

    def __init__(self, listeners: Sequence[socket.socket], frontends: Sequence[ManagedProcess]) -> None:
        self._listeners, self._frontends = listeners, frontends
        self._open = False
        self._returned: list[socket.socket] = []
        for listener in listeners:
            listener.setblocking(False)

    def take_back(self, frontend: ManagedProcess, kind: bytes, descriptors: Sequence[int]) -> None:
        """Pass on connections that a frontend did not receive since it is ending, to another one or to the next."""
        frontend.up = frontend.ready = False
        if kind != CONNECTION:
            close_all(descriptors)
            return
        for descriptor in descriptors:
            self._hand_over(socket.socket(fileno=descriptor))

    def watch(self) -> None:
        """Start or stop accepting. Has to be called whenever a frontend may have become available or unavailable."""
        while self._returned and self._candidates():
            self._hand_over(self._returned.pop())
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
        """Subtract ended connections of a frontend. The frontend reports them with a short delay."""
        frontend.open_connections -= connections

    def shut(self) -> None:
        """Pass on the connections that wait to be accepted, and refuse new ones."""
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
            self._returned.append(connection)
            return
        frontend.open_connections += 1
        frontend.handed_over += 1
        frontend.tell(CONNECTION, descriptors=[connection.detach()])

    def _candidates(self) -> Sequence[ManagedProcess]:
        """Return the frontends that may get connections: responsive ready ones, else ready ones, else those up.

        A frontend that is loading can answer probes only, so it gets connections only while there is no other.
        """
        ready = [frontend for frontend in self._frontends if frontend.ready]
        return (
            [frontend for frontend in ready if not frontend.unresponsive]
            or ready
            or [frontend for frontend in self._frontends if frontend.up]
        )

    def _rest(self, error: OSError) -> None:
        """Pause accepting after an error, for example when no descriptors are left.

        The listener stays readable, so that trying again at once would use a whole core.
        """
        logger.error("cannot accept connections: %s; trying again in %g s", error, _TRY_AGAIN_S)
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.remove_reader(listener.fileno())
        self._open = False
        loop.call_later(_TRY_AGAIN_S, self.watch)


def _load(frontend: ManagedProcess) -> tuple[int, int]:
    """Return the sort key of a frontend: its open connections, then the connections it ever got."""
    return frontend.open_connections, frontend.handed_over
