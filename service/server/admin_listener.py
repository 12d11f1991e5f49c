"""Answers of the admin API beside the other work of a process, in its event loop: on a Unix socket and on a TCP port.

The HTTP libraries are loaded at the first connection: the main process of several has no other use for them.
"""

import asyncio
import importlib
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Any

from service.access.exposure import is_loopback
from service.server.admin_socket import AdminSocket, NoAdminSocket, open_admin_socket
from service.server.certificates import TlsMaterial
from service.server.sockets import addresses_of, listen
from service.settings import Settings
from service.telemetry.metrics import RequestMetrics

logger = logging.getLogger(__name__)

MakeApp = Callable[[], Any]
"""Imports and returns an ASGI application; called in a thread."""
MakePortApp = Callable[[RequestMetrics], Any]
"""Imports and returns the ASGI application of the admin port, which counts its requests; called in a thread."""


class AdminListener:
    """The admin API of one process: on its socket, unless that is off, and on its port, if there is one."""

    def __init__(
        self,
        settings: Settings,
        port: int,
        make_app: MakeApp,
        make_port_app: MakePortApp | None = None,
        metrics: RequestMetrics | None = None,
    ) -> None:
        """Listen on the port, and make the socket, or log one warning why there is none. Answers from `start` on.

        port: on which the service answers. make_app: for the socket. make_port_app, metrics: for `admin_port`; needed
        where the settings have one. Raises CannotListen.
        """
        self._port = None
        if settings.admin_port is not None:
            assert make_port_app is not None
            assert metrics is not None
            self._port = _AdminPort(settings, make_port_app, metrics)
        self._socket: AdminSocket | None = None
        self._on_socket: _Answering | None = None
        try:
            self._socket = open_admin_socket(settings.admin_socket, port)
        except NoAdminSocket as error:
            logger.warning(
                "`snellen models` cannot reach this service: %s; see --admin-socket, where `off` is possible too", error
            )
        if self._socket is not None:
            self._on_socket = _Answering(
                [self._socket.listener], make_app, lambda module, app: module.AdminServer(app, settings.body_timeout_s)
            )

    def start(self) -> None:
        """Answer, from inside the event loop."""
        if self._socket is not None and self._on_socket is not None:
            logger.info("`snellen models` reaches this service through %s", self._socket.path)
            self._on_socket.start()
        if self._port is not None:
            self._port.start()

    def use(self, material: TlsMaterial) -> None:
        """Use this certificate for connections to the port that are made from now on."""
        if self._port is not None:
            self._port.use(material)

    async def close(self) -> None:
        """Remove the socket and close the port; requests that are not answered within a second get 503."""
        admin, self._socket = self._socket, None
        if admin is not None:
            admin.remove()
        on_socket, self._on_socket, port, self._port = self._on_socket, None, self._port, None
        await asyncio.gather(*(each.close() for each in (on_socket, port) if each is not None))


class _AdminPort:
    """The admin API on TCP, with TLS where the service has a certificate."""

    def __init__(self, settings: Settings, make_app: MakePortApp, metrics: RequestMetrics) -> None:
        """Listen. Raises CannotListen."""
        assert settings.admin_port is not None
        self._settings, self._metrics = settings, metrics
        self._material: TlsMaterial | None = None
        self._listeners = listen(settings.admin_host, settings.admin_port, "--admin-host and --admin-port")
        self._answering = _Answering(self._listeners, lambda: make_app(metrics), self._new_server)

    def start(self) -> None:
        for address in addresses_of(self._listeners, self._settings.scheme):
            logger.info("the admin API answers keys with the scope admin on %s", address)
        if self._settings.tls_certificate is None and not is_loopback(self._settings.admin_host):
            logger.warning(
                "keys of the scope admin are sent unencrypted to %s; add --tls-certificate, or leave --admin-host out",
                self._settings.admin_host,
            )
        self._answering.start()

    def use(self, material: TlsMaterial) -> None:
        self._material = material
        if self._answering.server is not None:
            self._answering.server.use(material)

    async def close(self) -> None:
        await self._answering.close()

    def _new_server(self, module: Any, app: Any) -> Any:
        refused, failed = self._metrics.refused_connections, self._metrics.failed_handshakes
        server = module.AdminServer(
            app,
            self._settings.body_timeout_s,
            lambda status: refused.labels(status).inc(),
            lambda reason: failed.labels(reason).inc(),
            tls=self._settings.tls_certificate is not None,
        )
        if self._material is not None:
            server.use(self._material)
        return server


class _Answering:
    """Listening sockets, and the server that is made with the first connection to one of them.

    server: None until then.
    """

    def __init__(
        self, listeners: Sequence[socket.socket], make_app: MakeApp, new_server: Callable[[Any, Any], Any]
    ) -> None:
        """new_server: called with the module of AdminServer and the application."""
        self._listeners, self._make_app, self._new_server = listeners, make_app, new_server
        self._task: asyncio.Task[None] | None = None
        self._waiting = False
        self.server: Any = None

    def start(self) -> None:
        """Wait for the first connection, from inside the event loop."""
        self._waiting = True
        for listener in self._listeners:
            asyncio.get_running_loop().add_reader(listener.fileno(), self._first)

    async def close(self) -> None:
        """End the server, if it was made, and close the sockets."""
        self._wait_no_more()
        if self._task is not None:
            await self._task
            await self.server.stop()
        for listener in self._listeners:
            listener.close()

    def _first(self) -> None:
        """Begin to serve with the first connection, which waits in the backlog meanwhile."""
        self._wait_no_more()
        self._task = asyncio.ensure_future(self._serve())

    def _wait_no_more(self) -> None:
        if self._waiting:
            self._waiting = False
            for listener in self._listeners:
                asyncio.get_running_loop().remove_reader(listener.fileno())

    async def _serve(self) -> None:
        module = await asyncio.to_thread(importlib.import_module, "service.server.http.admin_server")
        app = await asyncio.to_thread(self._make_app)
        self.server = self._new_server(module, app)
        await self.server.start(self._listeners)
