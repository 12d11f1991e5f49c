"""An engine process: runs networks on one device, without HTTP.

`python -m service.engine_process DESCRIPTOR`; see run_worker.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict

import uvloop

from models.contract import usable_cores
from service.build import local_loader
from service.repository.registry import Registry
from service.repository.version import ModelVersion
from service.server.ipc.engine_server import FrontendConnection, accept_frontend
from service.server.ipc.protocol import Report
from service.server.workers import control_channel
from service.server.workers.main_process import MainProcess, WorkerConfig, run_worker
from service.telemetry import log
from service.telemetry.metrics import Metrics


class EngineProcess:
    """Loads every version, reports to all frontends and answers them. Ends after the main process and the frontends."""

    def __init__(self, config: WorkerConfig, end: socket.socket) -> None:
        """Read the manifests. Raises RepositoryError."""
        metrics = Metrics()
        log.count_dropped_lines(metrics.process.dropped_log_lines.inc)
        cores = max(1, usable_cores() // config.engines)
        self._loader = local_loader(config.settings, metrics, cores)
        self._registry = Registry(config.settings.models, config.settings.default_model, self, config.served)
        metrics.process.ready.set_function(lambda: not self._registry.loading)
        self._versions = list(self._registry)
        self._frontends: set[FrontendConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._main_process_ended = False
        self._main_process = MainProcess(end, metrics)

    async def run(self) -> None:
        """Run until no frontend is left, then end the process."""
        self._main_process.connect(self._on_message, self._on_main_process_end)
        self._main_process.send_versions(control_channel.STARTED, self._registry)
        await self._registry.load()
        self._main_process.send_versions(control_channel.READY, self._registry)
        await asyncio.Event().wait()

    async def load(self, version: ModelVersion) -> None:
        """Load a version in this process and report its state to the frontends. Called by the registry."""
        await self._loader.load(version)
        for frontend in self._frontends:
            frontend.report(report_of(version, self._versions.index(version)))

    async def after_all_loaded(self) -> None:
        """Do nothing: only frontends know whether a request is the only one."""

    def _on_message(self, kind: bytes, _text: bytes, descriptors: Sequence[int]) -> None:
        if kind == control_channel.LINK:
            task = asyncio.ensure_future(self._serve(socket.socket(fileno=descriptors[0])))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, end: socket.socket) -> None:
        """Answer one frontend until it ends."""
        frontend = await accept_frontend(end, self._versions)
        if frontend is None:
            return
        self._frontends.add(frontend)
        for number, version in enumerate(self._versions):
            if version.state != "loading":
                frontend.report(report_of(version, number))
        await frontend.run()
        self._frontends.discard(frontend)
        self._end_if_alone()

    def _on_main_process_end(self) -> None:
        self._main_process_ended = True
        self._end_if_alone()

    def _end_if_alone(self) -> None:
        """End once the main process and all frontends have ended.

        Frontends without a main process still answer the requests they have accepted.
        """
        if self._main_process_ended and not self._frontends:
            log.flush()
            os._exit(0)  # no client waits for a batch that still runs


def report_of(version: ModelVersion, number: int) -> Report:
    """Return what a frontend needs to serve the version through this engine process, or why it cannot."""
    report: Report = {"version": version.identity, "model": number, "state": version.state, "reason": version.reason}
    if (deployment := version.serving) is not None:
        report |= {"engine": asdict(deployment.engine), "profile": deployment.profile.model_dump(mode="json")}
    return report


def main(config: WorkerConfig, end: socket.socket) -> int:
    """Run until no frontend is left. Raises RepositoryError."""
    uvloop.run(EngineProcess(config, end).run())
    return 0


if __name__ == "__main__":
    sys.exit(run_worker("engine", main))
