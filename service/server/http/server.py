"""uvicorn with a drain: readiness turns off first, the drain always ends, and the exit status reports its success."""

import asyncio
import faulthandler
import gc
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from service.access.exposure import warn_if_open
from service.repository.announcement import log_repository
from service.server.admin_listener import AdminListener, MakePortApp
from service.server.certificates import Certificates, TlsMaterial, new_context
from service.server.http.admin_server import MAX_CONNECTIONS
from service.server.http.connection import SPARE_CONNECTIONS, protocol
from service.server.http.tls import MAX_HANDSHAKES, TlsConnection, TlsPort
from service.server.sockets import (
    CannotListen,
    addresses_of,
    begin_listening,
    bind,
    last_connections,
    listen,
    log_addresses,
    raise_descriptor_limit,
)
from service.settings import Settings
from service.tasks import begin
from service.telemetry import log
from service.telemetry.health import Health
from service.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_GRACE_S = 5.0
"""Seconds after the time limit of a drain at which the watchdog ends the process."""
_FORCED_GRACE_S = 1.0
"""Seconds to a forced end, after a signal that skips the outstanding responses."""
_WATCHDOG_STEP_S = 0.1
"""Seconds between two checks of the watchdog's deadline."""
_COLLECT_AFTER = 5_000
"""Threshold of the garbage collector's first generation, in objects.

Requests leave no cycles and connections some 50 objects; a batch has hundreds of live objects.
"""


class ExitWatchdog(threading.Thread):
    """A thread that ends the process at its deadline. Its attributes may be set in a signal handler."""

    def __init__(self, status: int) -> None:
        """Create a watchdog without a deadline. status: exit status of the process; may be changed later."""
        super().__init__(name="watchdog", daemon=True)
        self.status = status
        self._deadline = float("inf")

    def end_within(self, seconds: float) -> None:
        """Set the deadline; an earlier one stays in force."""
        self._deadline = min(self._deadline, time.monotonic() + seconds)

    def run(self) -> None:
        while time.monotonic() < self._deadline:
            time.sleep(_WATCHDOG_STEP_S)
        names = ", ".join(thread.name for thread in threading.enumerate() if thread is not self)
        logger.error("ending with status %d although these threads have not ended: %s", self.status, names)
        log.flush()
        os._exit(self.status)


class Server(uvicorn.Server):
    """A server that drains on SIGTERM.

    Readiness is off for `drain_delay_s`, then new connections are refused, then accepted requests are answered.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        health: Health,
        metrics: Metrics,
        on_closed: Callable[[], None] = lambda: None,
        ready: Callable[[], bool] | None = None,
        on_hangup: Callable[[], Coroutine[Any, Any, None]] | None = None,
        on_ready: Callable[[list[str]], None] | None = None,
        admin: AdminListener | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        """Create a server.

        metrics: of the application, to count refused connections. on_closed: called when a connection has ended.
        ready: returns whether the service is ready; with `listen_when_ready` the server listens only from then on.
        on_hangup: called at SIGHUP; None leaves the signal alone. on_ready: called once with the addresses, when the
        service is ready and listens there. admin: answers from the start to the drain. certificates: the files for TLS,
        to be followed; None where another process does that, and calls `use`.
        """
        failed = metrics.requests.failed_handshakes
        self._tls = None
        if settings.tls_certificate is not None:
            self._tls = TlsPort(settings.body_timeout_s, lambda reason: failed.labels(reason).inc(), on_closed)
        super().__init__(_configuration(app, settings, metrics, on_closed, self._tls))
        self._on_closed, self._settings, self._admin = on_closed, settings, admin
        self._certificate_ends = metrics.process.certificate_ends
        self._certificates, self._following = certificates, set[asyncio.Task[None]]()
        if certificates is not None:
            self.use(certificates.material)
        self._on_hangup, self._hangups = on_hangup, set[asyncio.Task[None]]()
        self._ready = ready if settings.listen_when_ready else None
        self._await_ready = (ready, on_ready) if ready is not None and on_ready is not None else None
        self._bound: list[socket.socket] = []
        self._addresses: list[str] = []
        self.cannot_listen: CannotListen | None = None
        self._health = health
        self._drain_delay_s, self._drain_limit_s = settings.drain_delay_s, settings.drain_limit_s
        self._unready_until: float | None = None
        self._watchdog = ExitWatchdog(status=1)

    @property
    def status(self) -> int:
        """Exit status of the process: 0 if it could serve and every accepted request was answered."""
        return 1 if self._health.failed else self._watchdog.status

    def use(self, material: TlsMaterial) -> None:
        """Use this certificate for connections that are made from now on. Raises CertificateError."""
        assert self._tls is not None
        self._tls.context = new_context(material)
        self._certificate_ends.clear()
        self._certificate_ends.labels(material.certificate.name).set(material.validity.ends)
        if self._admin is not None:
            self._admin.use(material)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGTERM and SIGINT.

        SIGTERM drains. SIGINT and a second signal skip the delay, one more skips the outstanding responses. Unlike
        uvicorn's method, this one does not record the signal, so uvicorn does not raise it again at the end.
        """
        if self._health.draining or sig == signal.SIGINT:
            self.force_exit = self.should_exit
            self.should_exit = True
        self._health.draining = True
        if self.force_exit:
            self._watchdog.end_within(_FORCED_GRACE_S)
        # An exit by C code with a traceback, in case native code holds the GIL and the watchdog cannot run.
        drain_s = 0 if self.force_exit else self._drain_delay_s + self._drain_limit_s
        faulthandler.dump_traceback_later(drain_s + 2 * _GRACE_S, exit=True)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        gc.collect()
        gc.freeze()  # the modules' objects: never examined again
        gc.set_threshold(_COLLECT_AFTER)
        if self._on_hangup is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hang_up, self._on_hangup)
        if self._admin is not None:
            self._admin.start()
        if sockets:
            warn_if_open(self._settings)
            log_repository(self._settings)
            self._addresses = addresses_of(sockets, self._settings.scheme)
        if self._certificates is not None:
            begin(self._certificates.follow(self.use), self._following)
        if self._ready is None:
            await super().startup(sockets)
            log_addresses(sockets or [], self._settings.scheme)
        else:
            self._bound = sockets or []
            await super().startup(sockets=[])
            log_addresses(self._bound, self._settings.scheme, "bound to %s, and listens there once it is ready")

    def _hang_up(self, on_hangup: Callable[[], Coroutine[Any, Any, None]]) -> None:
        begin(on_hangup(), self._hangups)

    async def on_tick(self, counter: int) -> bool:
        if self._health.draining and self._unready_until is None:
            logger.info("draining: unready for %g s, then accepted requests are answered", self._drain_delay_s)
            self._unready_until = time.monotonic() + self._drain_delay_s
            await self._close_admin()
        if self._health.failed or (self._unready_until is not None and time.monotonic() >= self._unready_until):
            self.should_exit = True
        if self._ready is not None and not self._health.draining and self._ready():
            self._ready = None
            await self.begin_listening()
        if self._await_ready is not None and self._ready is None and not (self._health.draining or self.should_exit):
            ready, on_ready = self._await_ready
            if ready():
                self._await_ready = None
                on_ready(self._addresses)
        return await super().on_tick(counter)

    async def begin_listening(self) -> None:
        """Listen on the bound sockets, now that the service is ready."""
        loop = asyncio.get_running_loop()
        try:
            begin_listening(self._bound)
        except CannotListen as error:
            self.cannot_listen = error
            self.should_exit = True
            return
        self.servers += [
            await loop.create_server(self._new_connection(), sock=each, backlog=self.config.backlog)
            for each in self._bound
        ]
        log_addresses(self._bound, self._settings.scheme)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._watchdog.end_within(self._drain_limit_s + _GRACE_S)
        self._watchdog.start()
        await self._close_admin()
        # Connections that wait to be accepted are served, because closing their listener would reset them.
        last = [connection for listener in sockets or [] for connection in last_connections(listener)]
        for server in self.servers:
            server.close()
        for connection in last:
            await self.attach(connection)
        if self._tls is not None:
            await self._tls.finish_handshakes()
        await super().shutdown(sockets)

    async def _close_admin(self) -> None:
        if self._admin is not None:
            await self._admin.close()

    async def attach(self, connection: socket.socket) -> None:
        """Serve an accepted connection."""
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._new_connection(), connection)
        except OSError:  # it has ended already
            connection.close()
            self._on_closed()

    def _new_connection(self) -> Callable[[], asyncio.Protocol]:
        """Return the function that makes the protocol object of a connection."""
        made: Any = self.config.http_protocol_class
        options = {"config": self.config, "server_state": self.server_state, "app_state": self.lifespan.state}
        return partial(made, **options)

    async def _wait_tasks_to_complete(self) -> None:
        """Wait for the requests. At the time limit of the drain, uvicorn cancels this wait and then the requests."""
        try:
            await super()._wait_tasks_to_complete()
        finally:
            self._watchdog.status = 1 if self.server_state.tasks else 0
            self._watchdog.end_within(_GRACE_S)


def serve(
    app: ASGIApp,
    settings: Settings,
    health: Health,
    metrics: Metrics,
    ready: Callable[[], bool] | None = None,
    on_hangup: Callable[[], Coroutine[Any, Any, None]] | None = None,
    on_ready: Callable[[list[str]], None] | None = None,
    admin_app: Callable[[], ASGIApp] | None = None,
    admin_port_app: MakePortApp | None = None,
    certificates: Certificates | None = None,
) -> int:
    """Serve until a signal ends the server, and return the exit status. Raises CannotListen.

    ready: returns whether the service is ready. on_hangup: called at SIGHUP. on_ready: called once with the addresses,
    when the service is ready and listens there. admin_app: returns the application for the admin socket; None for no
    admin API. admin_port_app: returns the application for the admin port, if the settings have one. certificates: the
    files for TLS, None to speak HTTP.
    """
    sockets = (bind if settings.listen_when_ready else listen)(settings.host, settings.port)
    admin = None
    if admin_app is not None:
        admin = AdminListener(settings, sockets[0].getsockname()[1], admin_app, admin_port_app, metrics.requests)
    server = Server(
        app,
        settings,
        health,
        metrics,
        ready=ready,
        on_hangup=on_hangup,
        on_ready=on_ready,
        admin=admin,
        certificates=certificates,
    )
    server.run(sockets)
    if server.cannot_listen is not None:
        raise server.cannot_listen
    return server.status


def _configuration(
    app: ASGIApp, settings: Settings, metrics: Metrics, on_closed: Callable[[], None], tls: TlsPort | None
) -> uvicorn.Config:
    """Return uvicorn's configuration with our protocol. tls: None to speak HTTP."""
    spare = SPARE_CONNECTIONS + (MAX_HANDSHAKES if tls is not None else 0)
    if settings.admin_port is not None:
        spare += spare + MAX_CONNECTIONS
    connections = raise_descriptor_limit(settings.max_connections, spare)
    refused = metrics.requests.refused_connections
    limited = protocol(
        settings.body_timeout_s, connections, on_closed, on_refused=lambda status: refused.labels(status).inc()
    )

    def encrypted(**options: Any) -> asyncio.Protocol:
        assert tls is not None
        return TlsConnection(tls, partial(limited, **options))

    made: Any = limited if tls is None else encrypted
    return uvicorn.Config(
        app,
        loop="auto",
        http=made,
        ws="none",
        log_config=None,  # uvicorn's loggers use our root handler
        log_level="error" if settings.log_level == "error" else "warning",  # each process would log its start and end
        access_log=False,
        proxy_headers=False,  # service.api.trusted_proxies
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.drain_limit_s,
    )
