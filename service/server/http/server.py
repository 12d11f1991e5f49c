"""uvicorn, with a drain that turns readiness off first, ends in every case, and says by its status how it went."""

import asyncio
import faulthandler
import gc
import logging
import signal
import socket
import time
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from service.server.http.connection import SPARE_CONNECTIONS, protocol
from service.server.sockets import last_connections, listen, raise_descriptor_limit
from service.server.watchdog import ExitWatchdog
from service.settings import Settings
from service.telemetry.health import Health

logger = logging.getLogger(__name__)

_GRACE_S = 5.0
_FORCED_GRACE_S = 1.0
_COLLECT_AFTER = 5_000
"""Objects that are new and alive. Requests leave no cycles, connections some 50 objects; a batch has hundreds."""


class Server(uvicorn.Server):
    """On SIGTERM: unready for `drain_delay_s`, then no new connections, then the accepted requests, then the end."""

    def __init__(self, config: uvicorn.Config, lifecycle: Health, drain_delay_s: float, drain_limit_s: float):
        super().__init__(config)
        self._lifecycle = lifecycle
        self._drain_delay_s = drain_delay_s
        self._drain_limit_s = drain_limit_s
        self._unready_until: float | None = None
        self._watchdog = ExitWatchdog(status=1)
        self.protocol_class: Any = config.http

    @property
    def status(self) -> int:
        """Of the process: 0 when every accepted request was answered."""
        return self._watchdog.status

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM drains; SIGINT and a second signal skip the delay, one more the answers.

        uvicorn would raise the signal again at its end.
        """
        if self._lifecycle.draining or sig == signal.SIGINT:
            self.force_exit = self.should_exit
            self.should_exit = True
        self._lifecycle.draining = True
        if self.force_exit:
            self._watchdog.end_within(_FORCED_GRACE_S)
        _end_even_without_python(self._drain_delay_s + self._drain_limit_s if not self.force_exit else 0)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        gc.collect()
        gc.freeze()  # modules
        gc.set_threshold(_COLLECT_AFTER)
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            logger.info("running on http://%s:%d", f"[{host}]" if ":" in host else host, port)

    async def on_tick(self, counter: int) -> bool:
        if self._lifecycle.draining and self._unready_until is None:
            logger.info("draining: unready for %g s, then accepted requests are answered", self._drain_delay_s)
            self._unready_until = time.monotonic() + self._drain_delay_s
        if self._unready_until is not None and time.monotonic() >= self._unready_until:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._watchdog.end_within(self._drain_limit_s + _GRACE_S)
        self._watchdog.start()
        await self._take_last_connections(sockets or [])
        await super().shutdown(sockets)

    async def _take_last_connections(self, listeners: list[socket.socket]) -> None:
        """Serve the connections that wait to be accepted: closing their listener would reset them."""
        last = [connection for listener in listeners for connection in last_connections(listener)]
        for server in self.servers:
            server.close()
        for connection in last:
            await self.attach(connection)

    async def attach(self, connection: socket.socket) -> bool:
        """Serve a connection that was accepted; return whether it had not ended already."""
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._new_protocol, connection)
        except OSError:
            connection.close()
            return False
        return True

    def _new_protocol(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self.protocol_class(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state, _loop=None
        )
        return protocol

    async def _wait_tasks_to_complete(self) -> None:
        """uvicorn cancels this, and then the requests, at the drain's limit."""
        try:
            await super()._wait_tasks_to_complete()
        finally:
            self._watchdog.status = 1 if self.server_state.tasks else 0
            self._watchdog.end_within(_GRACE_S)


def serve(app: ASGIApp, settings: Settings, lifecycle: Health) -> int:
    """Answer until a signal comes; the exit status. Raises CannotListen."""
    sockets = listen(settings.host, settings.port)
    server = Server(configuration(app, settings), lifecycle, settings.drain_delay_s, settings.drain_limit_s)
    server.run(sockets)
    return server.status


def configuration(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """uvicorn's, with our protocol as `http`."""
    connections = raise_descriptor_limit(settings.max_connections, SPARE_CONNECTIONS)
    options: dict[str, Any] = {"http": protocol(settings.body_timeout_s, connections), "ws": "none"}
    return uvicorn.Config(
        app,
        loop="auto",
        log_config=None,  # its loggers speak as ours do
        log_level=settings.log_level,
        access_log=False,
        proxy_headers=False,  # what a proxy says of its client is used nowhere
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.drain_limit_s,
        **options,
    )


def _end_even_without_python(seconds: float) -> None:
    """Where even the watchdog gets no turn, since native code holds the interpreter: C code prints where, and exits."""
    faulthandler.dump_traceback_later(seconds + 2 * _GRACE_S, exit=True)
