"""uvicorn with a drain: readiness turns off first, the drain always ends, and the exit status reports its success."""

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
"""Seconds after the time limit of a drain at which the watchdog ends the process."""
_FORCED_GRACE_S = 1.0
"""Seconds to a forced end, after a signal that skips the outstanding responses."""
_COLLECT_AFTER = 5_000
"""Threshold of the garbage collector's first generation, in objects.

Requests leave no cycles and connections some 50 objects; a batch has hundreds of live objects.
"""


class Server(uvicorn.Server):
    """A server that drains on SIGTERM.

    Readiness is off for `drain_delay_s`, then new connections are refused, then accepted requests are answered.
    """

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
        """Exit status of the process: 0 if it could serve and every accepted request was answered."""
        return 1 if self._lifecycle.failed else self._watchdog.status

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGTERM and SIGINT.

        SIGTERM drains. SIGINT and a second signal skip the delay, one more skips the outstanding responses. Unlike
        uvicorn's method, this one does not record the signal, so uvicorn does not raise it again at the end.
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
        gc.freeze()  # the modules' objects: never examined again
        gc.set_threshold(_COLLECT_AFTER)
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            logger.info("running on http://%s:%d", f"[{host}]" if ":" in host else host, port)

    async def on_tick(self, counter: int) -> bool:
        if self._lifecycle.draining and self._unready_until is None:
            logger.info("draining: unready for %g s, then accepted requests are answered", self._drain_delay_s)
            self._unready_until = time.monotonic() + self._drain_delay_s
        if self._lifecycle.failed or (self._unready_until is not None and time.monotonic() >= self._unready_until):
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._watchdog.end_within(self._drain_limit_s + _GRACE_S)
        self._watchdog.start()
        await self._take_last_connections(sockets or [])
        await super().shutdown(sockets)

    async def _take_last_connections(self, listeners: list[socket.socket]) -> None:
        """Serve the connections that wait to be accepted, because closing their listener would reset them."""
        last = [connection for listener in listeners for connection in last_connections(listener)]
        for server in self.servers:
            server.close()
        for connection in last:
            await self.attach(connection)

    async def attach(self, connection: socket.socket) -> bool:
        """Serve an accepted connection. Return false if it had ended already."""
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
        """Wait for the requests. At the time limit of the drain, uvicorn cancels this wait and then the requests."""
        try:
            await super()._wait_tasks_to_complete()
        finally:
            self._watchdog.status = 1 if self.server_state.tasks else 0
            self._watchdog.end_within(_GRACE_S)


def serve(app: ASGIApp, settings: Settings, lifecycle: Health) -> int:
    """Serve until a signal ends the server, and return the exit status. Raises CannotListen."""
    sockets = listen(settings.host, settings.port)
    server = Server(configuration(app, settings), lifecycle, settings.drain_delay_s, settings.drain_limit_s)
    server.run(sockets)
    return server.status


def configuration(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """Return uvicorn's configuration with our protocol."""
    connections = raise_descriptor_limit(settings.max_connections, SPARE_CONNECTIONS)
    options: dict[str, Any] = {"http": protocol(settings.body_timeout_s, connections), "ws": "none"}
    return uvicorn.Config(
        app,
        loop="auto",
        log_config=None,  # uvicorn's loggers use our root handler
        log_level=settings.log_level,
        access_log=False,
        proxy_headers=False,  # the client's address is not used
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.drain_limit_s,
        **options,
    )


def _end_even_without_python(seconds: float) -> None:
    """Schedule an exit by C code with a traceback, in case native code holds the GIL and the watchdog cannot run."""
    faulthandler.dump_traceback_later(seconds + 2 * _GRACE_S, exit=True)
