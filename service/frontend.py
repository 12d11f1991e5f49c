"""A frontend process: the whole server without the listening sockets.

`python -m service.frontend DESCRIPTOR`, with the descriptor of its control channel.
"""

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import FastAPI

from service.app import ProcessContext, create_app
from service.build import limits_of
from service.repository.registry import Registry, image_sizes
from service.server.http.connection import HttpConnection
from service.server.http.server import Server, configuration
from service.server.ipc.pixel_slots import PixelSlots
from service.server.ipc.remote_engine import RemoteLoader
from service.server.workers import control_channel
from service.server.workers.bootstrap import WorkerConfig, reason, run_worker
from service.server.workers.control_channel import ControlChannel
from service.server.workers.metrics import MetricsClient
from service.settings import Settings
from service.telemetry.health import Health
from service.telemetry.metrics import Metrics

_PATIENCE_S = 3.0
"""Seconds to wait, at the start of a drain, for the connections that the main process has accepted."""
_UNKNOWN = "the supervisor does not know yet that models are loaded"


class FrontendServer(Server):
    """A server whose connections are accepted by the main process."""

    def __init__(
        self,
        app: FastAPI,
        lifecycle: Health,
        settings: Settings,
        end: socket.socket,
        scraping: MetricsClient,
        remote: RemoteLoader | None,
    ) -> None:
        config = configuration(app, settings)
        super().__init__(config, lifecycle, settings.drain_delay_s, settings.drain_limit_s)
        self._registry: Registry = app.state.registry
        self._health = lifecycle
        self._health.not_ready_reasons.add(_UNKNOWN)
        self._told_ready = False
        self._end = end
        self._scraping = scraping
        self._remote = remote
        self._channel: ControlChannel | None = None
        self._arriving: set[asyncio.Task[None]] = set()
        self._ended = 0
        self._all_have_come = asyncio.Event()
        self.protocol_class = _counted(config.http, self._count_ended)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self._channel = self._scraping.channel = ControlChannel(self._end, self._hear, self._orphaned)
        self._channel.send(control_channel.STARTED, descriptors=[self._served()])

    async def on_tick(self, counter: int) -> bool:
        if self._channel is not None and not self._told_ready and not self._registry.loading:
            self._told_ready = True
            self._channel.send(control_channel.READY, reason(self._health.failed), [self._served()])
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take the connections that the main process passes on before it confirms the end, then shut down."""
        if self._channel is not None:
            self._channel.send(control_channel.STOP_ACCEPTING)
            await asyncio.wait([asyncio.ensure_future(self._all_have_come.wait())], timeout=_PATIENCE_S)
            await asyncio.gather(*self._arriving)
        await super().shutdown(sockets)

    def _hear(self, kind: bytes, text: bytes, descriptors: Sequence[int]) -> None:
        match kind:
            case control_channel.CONNECTION if not descriptors:  # above this process's limit; the kernel has closed it
                self._count_ended()
            case control_channel.CONNECTION:
                task = asyncio.ensure_future(self._attach(socket.socket(fileno=descriptors[0])))
                self._arriving.add(task)
                task.add_done_callback(self._arriving.discard)
            case control_channel.LINK:
                assert self._remote is not None
                self._remote.link(socket.socket(fileno=descriptors[0]))
            case control_channel.READY:
                self._health.not_ready_reasons.discard(_UNKNOWN)
            case control_channel.DEGRADED:
                self._health.degraded = text.decode(errors="replace")
            case control_channel.PING if self._channel is not None:
                self._channel.send(control_channel.PING)
            case control_channel.STOP_ACCEPTING:
                self._all_have_come.set()
            case control_channel.SNAPSHOT | control_channel.SCRAPE:
                self._scraping.hear(kind, text, descriptors)

    def _served(self) -> int:
        """Return the descriptor of a file with the versions that this process has read and loaded."""
        return control_channel.to_memfd(self._registry.versions_now.to_json())

    async def _attach(self, connection: socket.socket) -> None:
        if not await self.attach(connection):
            self._count_ended()

    def _count_ended(self) -> None:
        """Count an ended connection.

        Many end at once when a client with many disconnects: one message reports all of them.
        """
        if not self._ended:
            asyncio.get_running_loop().call_soon(self._tell_ended)
        self._ended += 1

    def _tell_ended(self) -> None:
        if self._channel is not None:
            self._channel.send(control_channel.CONNECTIONS_CLOSED, str(self._ended).encode())
        self._ended = 0

    def _orphaned(self) -> None:
        """Shut down after the end of the main process: no more connections arrive, the existing ones are served."""
        self._channel = self._scraping.channel = None
        self._health.draining = True


def _counted(base: Any, ended: Callable[[], None]) -> type[HttpConnection]:
    """Return a subclass of `base` that calls `ended` when one of its connections has ended."""

    class Counted(base):  # type: ignore[misc]
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            ended()

    return Counted


def main(start: WorkerConfig, end: socket.socket) -> int:
    """Serve until a message or the end of the main process. Return the exit status. Raises RepositoryError."""
    settings, lifecycle, metrics = start.settings, Health(), Metrics()
    scraping = MetricsClient(metrics)
    remote = _remote(start, metrics, lifecycle) if start.engines else None
    app = create_app(settings, lifecycle, ProcessContext(metrics, scraping.scrape, remote, start.served))
    frontend = FrontendServer(app, lifecycle, settings, end, scraping, remote)
    frontend.run()
    return frontend.status


def _remote(start: WorkerConfig, metrics: Metrics, lifecycle: Health) -> RemoteLoader:
    """Return the loader, with slots for all images that all models may admit. Unused slots take no memory."""
    settings = start.settings
    sizes = image_sizes(settings.models)
    slots = PixelSlots(settings.max_queue * max(1, len(sizes)), max(sizes, default=1))
    return RemoteLoader(
        slots, limits_of(settings), metrics, lifecycle, frontends=start.frontends, engines=start.engines
    )


if __name__ == "__main__":
    sys.exit(run_worker("frontend", int(sys.argv[1]), main))
