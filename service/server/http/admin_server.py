"""The HTTP server of the admin API, in an event loop that does other work too, with the limits of the public one."""

import asyncio
import socket
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from service.server.certificates import TlsMaterial, new_context
from service.server.http.connection import HttpConnection, protocol
from service.server.http.tls import TlsConnection, TlsPort

MAX_CONNECTIONS = 64
"""Open connections of one admin server; further ones are answered 503. Operators and their programs need a few."""
_END_S = 1.0
"""Seconds until requests that are not answered are cancelled when the service ends."""
_LOOK_AGAIN_S = 0.01
"""Seconds between two looks at whether all connections have ended."""


def _ignore(_outcome: object) -> None:
    """Count nothing."""


class AdminServer:
    """Serves an application to the clients of listening sockets. Handles no signals and logs nothing."""

    def __init__(
        self,
        app: ASGIApp,
        client_timeout_s: float,
        on_refused: Callable[[int], None] = _ignore,
        on_failed_handshake: Callable[[str], None] = _ignore,
        *,
        tls: bool = False,
    ) -> None:
        """Create a server that accepts no connection yet.

        client_timeout_s: seconds that a client has for each step of a request. on_refused: called with the HTTP status
        of an error outside any request. on_failed_handshake: called with its reason. tls: speak HTTPS; `use` says
        with which certificate.
        """
        config = uvicorn.Config(
            app,
            http=protocol(client_timeout_s, MAX_CONNECTIONS, on_refused=on_refused),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )
        config.load()
        self._state = ServerState()
        made: Any = config.http_protocol_class
        self._protocol: Callable[[], asyncio.Protocol]
        self._protocol = partial(made, config=config, server_state=self._state, app_state={})
        self._tls = TlsPort(client_timeout_s, on_failed_handshake, lambda: None) if tls else None
        self._servers: list[asyncio.AbstractServer] = []

    def use(self, material: TlsMaterial) -> None:
        """Use this certificate for connections that are made from now on. Raises CertificateError."""
        assert self._tls is not None
        self._tls.context = new_context(material)

    async def start(self, listeners: Iterable[socket.socket]) -> None:
        """Accept connections, also those that wait already."""
        loop = asyncio.get_running_loop()
        for each in listeners:
            create = loop.create_unix_server if each.family == socket.AF_UNIX else loop.create_server
            self._servers.append(await create(self._new_connection, sock=each))

    async def stop(self) -> None:
        """Accept no more connections; cancel the requests that are not answered after a second. Ends within three."""
        for server in self._servers:
            server.close()
        if self._tls is not None and self._servers:
            await self._tls.finish_handshakes()
        for connection in self._connections():
            (connection.shutdown if connection.cycle is not None else connection.close)()
        if self._state.tasks:
            _, late = await asyncio.wait(self._state.tasks, timeout=_END_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        loop = asyncio.get_running_loop()
        end = loop.time() + _END_S
        while self._state.connections and loop.time() < end:  # noqa: ASYNC110 - the set belongs to uvicorn
            await asyncio.sleep(_LOOK_AGAIN_S)
        for connection in self._connections():
            connection.transport.abort()
        await asyncio.sleep(0)  # in which the connections notice it

    def _connections(self) -> list[HttpConnection]:
        found: Any = self._state.connections  # uvicorn's type names the protocols of its own
        return [*found]

    def _new_connection(self) -> asyncio.Protocol:
        return self._protocol() if self._tls is None else TlsConnection(self._tls, self._protocol)
