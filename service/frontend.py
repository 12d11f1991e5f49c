"""A frontend process: the whole server without the listening sockets.

`python -m service.frontend DESCRIPTOR`; see run_worker.
"""

import asyncio
import socket
import sys
from collections.abc import Sequence

from fastapi import FastAPI

from service.access.keyring import Keyring
from service.access.rate_table import RateTable
from service.api.health import readiness
from service.app import ProcessContext, create_app
from service.build import limits_of
from service.repository.registry import Registry
from service.repository.state import RepositoryState
from service.server.certificates import TlsMaterial
from service.server.http.server import Server
from service.server.ipc.pixel_slots import SLOT_BYTES, PixelSlots
from service.server.ipc.remote_engine import RemoteLoader
from service.server.workers import control_channel
from service.server.workers.main_process import MainProcess, WorkerConfig, run_worker
from service.settings import Settings
from service.tasks import begin
from service.telemetry.health import Health
from service.telemetry.metrics import Metrics

MODELS_AT_FULL_LOAD = 4
"""Models whose queues may be full at a time before an image finds no slot on its way to an engine process."""
_LAST_CONNECTIONS_S = 3.0
"""Time to wait, at the start of a drain, for the connections that the main process has accepted."""


class FrontendServer(Server):
    """A server whose connections are accepted by the main process."""

    def __init__(
        self,
        app: FastAPI,
        settings: Settings,
        health: Health,
        metrics: Metrics,
        main_process: MainProcess,
        engines: RemoteLoader | None,
        first: RepositoryState,
    ) -> None:
        """engines: None where this process runs the networks itself. first: what to prepare first."""
        self._registry: Registry = app.state.registry
        super().__init__(
            app, settings, health, metrics, self._report_closed, lambda: readiness(self._registry, health).ready
        )
        self._health = health
        self._main_process, self._engines = main_process, engines
        self._first = first
        self._attaching, self._changing = set[asyncio.Task[None]](), set[asyncio.Task[None]]()
        self._all_received = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self._main_process.connect(self._on_message, self._on_main_process_end)
        self._main_process.send(control_channel.STARTED)
        begin(self._prepare(self._first), self._changing)

    async def begin_listening(self) -> None:
        """Let the main process listen, now that this frontend is ready."""
        self._main_process.send(control_channel.LISTEN)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take the connections that the main process passes on before it confirms the end, then shut down."""
        self._main_process.send(control_channel.STOP_ACCEPTING)
        await asyncio.wait([asyncio.ensure_future(self._all_received.wait())], timeout=_LAST_CONNECTIONS_S)
        await asyncio.gather(*self._attaching)
        await super().shutdown(sockets)

    def _on_message(self, kind: bytes, text: bytes, descriptors: Sequence[int]) -> None:
        match kind:
            case control_channel.CONNECTION if not descriptors:  # above this process's limit; the kernel has closed it
                self._report_closed()
            case control_channel.CONNECTION:
                begin(self.attach(socket.socket(fileno=descriptors[0])), self._attaching)
            case control_channel.LINK if self._engines is not None:
                self._engines.connect(socket.socket(fileno=descriptors[0]))
            case control_channel.CERTIFICATES:
                self.use(TlsMaterial.from_json(control_channel.read_memfd(descriptors[0])))
            case control_channel.PREPARE:
                state = RepositoryState.from_json(control_channel.read_memfd(descriptors[0]))
                begin(self._prepare(state), self._changing)
            case control_channel.COMMIT:
                begin(self._commit(int(text)), self._changing)
            case control_channel.DEGRADED:
                self._health.degraded = text.decode(errors="replace")
            case control_channel.STOP_ACCEPTING:
                self._all_received.set()

    async def _prepare(self, state: RepositoryState) -> None:
        if self._engines is not None:
            self._engines.abandon_all_but(state)
        self._main_process.send_prepared(state.number, await self._registry.prepare(state))

    async def _commit(self, number: int) -> None:
        await self._registry.commit(number)
        self._main_process.send(control_channel.RETIRED, str(number).encode())

    def _report_closed(self) -> None:
        self._main_process.send(control_channel.CONNECTION_CLOSED)

    def _on_main_process_end(self) -> None:
        """Shut down after the end of the main process: no more connections arrive, the existing ones are served."""
        self._all_received.set()
        self._health.draining = True


def main(config: WorkerConfig, end: socket.socket) -> int:
    """Serve until a message or the end of the main process. Return the exit status."""
    settings, health, metrics = config.settings, Health(), Metrics()
    main_process, engines = MainProcess(end, metrics), None
    if config.engines:
        # Slots for all images that all models may admit, of any model. Unused slots take no memory.
        slots = PixelSlots(settings.max_queue * MODELS_AT_FULL_LOAD, SLOT_BYTES)
        limits = limits_of(settings)
        engines = RemoteLoader(slots, limits, metrics, health, frontends=config.frontends, engines=config.engines)
    keyring = None
    if settings.keys is not None:  # the main process logs what changes
        keyring = Keyring(settings.keys, config.keys, announce=False)
    rate_table = None if config.rate_table is None else RateTable.at(config.rate_table)
    context = ProcessContext(metrics, main_process.scrape, engines, config.state, keyring, rate_table)
    app = create_app(settings, health, context)
    frontend = FrontendServer(app, settings, health, metrics, main_process, engines, config.state)
    frontend.run()
    return frontend.status


if __name__ == "__main__":
    sys.exit(run_worker("frontend", main))
