"""An engine process: runs networks on one device, without HTTP.

`python -m service.engine_process DESCRIPTOR`; see run_worker.
"""

import asyncio
import gc
import itertools
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict

import uvloop

from models.contract import usable_cores
from service.build import local_loader
from service.engine.profile import Profile
from service.repository.registry import Registry
from service.repository.state import RepositoryState
from service.repository.version import ModelVersion
from service.server.ipc.engine_server import FrontendConnection, accept_frontend
from service.server.ipc.protocol import Report
from service.server.workers import control_channel
from service.server.workers.main_process import MainProcess, WorkerConfig, run_worker
from service.tasks import begin
from service.telemetry import log
from service.telemetry.metrics import Metrics


class EngineProcess:
    """Opens every version, reports to all frontends and answers them. Ends after the main process and the frontends."""

    def __init__(self, config: WorkerConfig, end: socket.socket) -> None:
        """Create a process that serves nothing yet."""
        metrics, settings = Metrics(), config.settings
        log.count_dropped_lines(metrics.process.dropped_log_lines.inc)
        cores = max(1, usable_cores() // config.engines)
        self._loader = local_loader(settings, metrics, cores)
        self._first = config.state
        self._registry = Registry(settings.models, self, config.state, metrics.models, settings.deadline_s)
        metrics.process.ready.set_function(lambda: not self._registry.loading)
        self._numbers = itertools.count()
        self._served = dict[int, ModelVersion]()
        self._reports = dict[str, Report]()
        self._frontends: set[FrontendConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._main_process_ended = False
        self._main_process = MainProcess(end, metrics)

    async def run(self) -> None:
        """Run until no frontend is left, then end the process."""
        gc.collect()
        gc.freeze()  # the modules' objects: never examined again, so that a collection takes little time
        self._main_process.connect(self._on_message, self._on_main_process_end)
        begin(self._change(self._first), self._tasks)
        await asyncio.Event().wait()

    async def load(self, version: ModelVersion, profile: Profile | None) -> str | None:
        """Open a version in this process and report it to the frontends. Called by the registry."""
        reason = await self._loader.load(version, profile)
        number = next(self._numbers)
        if reason is None:
            self._served[number] = version
        self._report(report_of(version, number, reason))
        return reason

    async def unload(self, version: ModelVersion) -> None:
        """Close a version, which no frontend uses any more. Called by the registry."""
        for number in [number for number, served in self._served.items() if served is version]:
            del self._served[number]
            self._report({"version": version.identity, "model": number, "state": "gone", "reason": None})
        del self._reports[version.identity]
        await self._loader.unload(version)

    async def after_all_loaded(self) -> None:
        """Leave the work out: only frontends know whether a request is the only one."""
        self._loader.leave_out_rest()

    def _report(self, report: Report) -> None:
        self._reports[report["version"]] = report
        for frontend in self._frontends:
            frontend.report(report)

    async def _change(self, state: RepositoryState) -> None:
        """Open what is ready in `state`."""
        self._main_process.send_prepared(state.number, await self._registry.prepare(state))

    async def _commit(self, number: int) -> None:
        """Close what is no longer ready."""
        await self._registry.commit(number)
        served = {version.identity for version in self._served.values()}
        self._reports = {identity: report for identity, report in self._reports.items() if identity in served}
        self._main_process.send(control_channel.RETIRED, str(number).encode())

    def _on_message(self, kind: bytes, text: bytes, descriptors: Sequence[int]) -> None:
        match kind:
            case control_channel.LINK:
                begin(self._serve(socket.socket(fileno=descriptors[0])), self._tasks)
            case control_channel.PREPARE:
                begin(self._change(RepositoryState.from_json(control_channel.read_memfd(descriptors[0]))), self._tasks)
            case control_channel.COMMIT:
                begin(self._commit(int(text)), self._tasks)

    async def _serve(self, end: socket.socket) -> None:
        """Answer one frontend until it ends."""
        frontend = await accept_frontend(end, self._served)
        if frontend is None:
            return
        self._frontends.add(frontend)
        for report in self._reports.values():
            frontend.report(report)
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


def report_of(version: ModelVersion, number: int, reason: str | None) -> Report:
    """Return what a frontend needs to serve the version through this engine process, or the reason why it cannot."""
    state = "ready" if reason is None else "failed"
    report: Report = {"version": version.identity, "model": number, "state": state, "reason": reason}
    if (deployment := version.serving) is not None:
        report |= {"engine": asdict(deployment.engine), "profile": deployment.profile.model_dump(mode="json")}
    return report


def main(config: WorkerConfig, end: socket.socket) -> int:
    """Run until no frontend is left."""
    uvloop.run(EngineProcess(config, end).run())
    return 0


if __name__ == "__main__":
    sys.exit(run_worker("engine", main))
