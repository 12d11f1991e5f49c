"""An engine process: runs networks on one device, without HTTP.

`python -m service.engine_process DESCRIPTOR`, with the descriptor of its control channel.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any

import uvloop

from models.contract import usable_cores
from service.build import local_loader
from service.repository.registry import Registry
from service.repository.version import ModelVersion
from service.server.ipc.engine_client import Report
from service.server.ipc.engine_server import FrontendConnection, accept_frontend
from service.server.workers import control_channel
from service.server.workers.bootstrap import WorkerConfig, run_worker
from service.server.workers.control_channel import ControlChannel
from service.server.workers.metrics import MetricsClient
from service.telemetry import log
from service.telemetry.metrics import Metrics


class EngineProcess:
    """Loads every version, reports to all frontends and answers them. Ends after the main process and the frontends."""

    def __init__(self, start: WorkerConfig, end: socket.socket) -> None:
        """Create it inside the event loop. Raises RepositoryError."""
        metrics = Metrics()
        log.count_dropped_lines(metrics.process.dropped_log_lines.inc)
        cores = max(1, usable_cores() // start.engines)
        self._loader = local_loader(start.settings, metrics, cores)
        self._registry = Registry(start.settings.models, start.settings.default_model, self, start.served)
        metrics.process.ready.set_function(lambda: not self._registry.loading)
        self._versions = {version.name: number for number, version in enumerate(self._registry)}
        self._links: set[FrontendConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._orphaned = False
        self._over = asyncio.Event()
        self._scraping = MetricsClient(metrics)
        self._channel = self._scraping.channel = ControlChannel(end, self._hear, self._orphan)

    async def run(self) -> None:
        self._channel.send(control_channel.STARTED, descriptors=[self._served()])
        await self._registry.load()
        self._channel.send(control_channel.READY, descriptors=[self._served()])
        await self._over.wait()

    async def load(self, version: ModelVersion) -> None:
        """Load a version in this process and report its state to the frontends. Called by the registry."""
        await self._loader.load(version)
        for link in self._links:
            link.report(self._report(version))

    async def after_all_loaded(self) -> None:
        """Do nothing: only frontends know whether a request is the only one."""

    def _served(self) -> int:
        """Return the descriptor of a file with the versions that this process has read and loaded."""
        return control_channel.to_memfd(self._registry.versions_now.to_json())

    def _report(self, version: ModelVersion) -> Report:
        return report_of(version, self._versions[version.name])

    def _hear(self, kind: bytes, text: bytes, descriptors: Sequence[int]) -> None:
        if kind == control_channel.LINK:
            task = asyncio.ensure_future(self._accept(socket.socket(fileno=descriptors[0])))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif kind == control_channel.PING:
            self._channel.send(control_channel.PING)
        else:
            self._scraping.hear(kind, text, descriptors)

    async def _accept(self, end: socket.socket) -> None:
        link = await accept_frontend(end, list(self._registry), self._lose)
        if link is not None:
            self._links.add(link)
            for version in self._registry:
                if version.state != "loading":
                    link.report(self._report(version))

    def _lose(self, link: FrontendConnection) -> None:
        self._links.discard(link)
        self._end_if_alone()

    def _orphan(self) -> None:
        self._orphaned = True
        self._scraping.channel = None
        self._end_if_alone()

    def _end_if_alone(self) -> None:
        """End once the main process and all frontends have ended.

        Frontends without a main process still answer the requests they have accepted.
        """
        if self._orphaned and not self._links:
            log.flush()
            os._exit(0)  # no client waits for a batch that still runs


def report_of(version: ModelVersion, number: int) -> Report:
    """Return what a frontend needs to serve the version through this engine process, or why it cannot."""
    report: dict[str, Any] = {
        "version": version.identity,
        "model": number,
        "state": version.state,
        "reason": version.reason,
    }
    if (serving := version.serving) is not None:
        report |= {
            "precision": serving.precision.value,
            "provider": serving.engine.provider,
            "concurrency": serving.engine.concurrency,
            "threads_per_batch": serving.engine.threads_per_batch,
            "max_batch_size": serving.max_batch_size,
            "profile": serving.profile.model_dump(mode="json"),
        }
    return report


def main(start: WorkerConfig, end: socket.socket) -> int:
    """Run until no frontend is left. Raises RepositoryError."""

    async def run() -> None:
        await EngineProcess(start, end).run()

    uvloop.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(run_worker("engine", int(sys.argv[1]), main))
