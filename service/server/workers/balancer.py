"""Accepts connections for all frontends and passes each to the frontend with the least connections."""

import asyncio
import logging
import socket
from collections.abc import Sequence

from service.server.sockets import last_connections
from service.server.workers.control_channel import CONNECTION, close_all
from service.server.workers.process import ManagedProcess

logger = logging.getLogger(__name__)

_RETRY_S = 0.2
"""Seconds until accepting is tried again after an error."""


class ConnectionBalancer:
    """Accepts while a frontend is up. Otherwise connections wait in the kernel's backlog, and none is lost."""

    def __init__(
        self, listeners: Sequence[socket.socket], frontends: Sequence[ManagedProcess], *, listening: bool = True
    ) -> None:
        """Create a balancer that does not accept yet.

        listening: whether the sockets listen already; else `begin` has to be called when they do.
        """
        self._listeners, self._frontends = listeners, frontends
        self._listening = listening
        self._accepting = False
        self._undelivered: list[socket.socket] = []
        for listener in listeners:
            listener.setblocking(False)

    def take_back(self, frontend: ManagedProcess, kind: bytes, descriptors: Sequence[int]) -> None:
        """Pass on connections that a frontend did not receive since it is ending, to another one or to the next."""
        frontend.up = frontend.ready = False
        if kind != CONNECTION:
            close_all(descriptors)
            return
        for descriptor in descriptors:
            self._pass_on(socket.socket(fileno=descriptor))

    def update_listening(self) -> None:
        """Start or stop accepting. Has to be called whenever a frontend may have become available or unavailable."""
        while self._undelivered and self._candidates():
            self._pass_on(self._undelivered.pop())
        wanted = self._listening and any(frontend.up for frontend in self._frontends)
        if wanted == self._accepting:
            return
        self._accepting = wanted
        loop = asyncio.get_running_loop()
        for listener in self._listeners if wanted else ():
            loop.add_reader(listener.fileno(), self._accept, listener)
        for listener in self._listeners if not wanted else ():
            loop.remove_reader(listener.fileno())

    def begin(self) -> None:
        """Accept from now on: the sockets listen."""
        self._listening = True
        self.update_listening()

    def close(self) -> None:
        """Pass on the connections that wait to be accepted, and refuse new ones."""
        for listener in self._listeners:
            asyncio.get_running_loop().remove_reader(listener.fileno())
            for connection in last_connections(listener):
                self._pass_on(connection)
        self._listeners, self._accepting = (), False

    def _accept(self, listener: socket.socket) -> None:
        while self._candidates():
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError as error:
                self._pause(error)
                return
            self._pass_on(connection)

    def _pass_on(self, connection: socket.socket) -> None:
        frontend = min(
            self._candidates(), key=lambda each: (each.open_connections, each.connections_passed), default=None
        )
        if frontend is None:
            self._undelivered.append(connection)
            return
        frontend.open_connections += 1
        frontend.connections_passed += 1
        frontend.send(CONNECTION, descriptors=[connection.detach()])

    def _candidates(self) -> Sequence[ManagedProcess]:
        """Return the frontends that may get connections: responsive ready ones, else ready ones, else those up.

        A frontend that is loading can answer probes only, so it gets connections only while there is no other. One that
        has left a heartbeat unanswered may hang.
        """
        ready = [frontend for frontend in self._frontends if frontend.ready]
        return (
            [frontend for frontend in ready if frontend.missed_heartbeats <= 1]
            or ready
            or [frontend for frontend in self._frontends if frontend.up]
        )

    def _pause(self, error: OSError) -> None:
        """Pause accepting after an error, for example when no descriptors are left.

        The listener stays readable, so that trying again at once would use a whole core.
        """
        logger.error("cannot accept connections: %s; trying again in %g s", error, _RETRY_S)
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.remove_reader(listener.fileno())
        self._accepting = False
        loop.call_later(_RETRY_S, self.update_listening)
