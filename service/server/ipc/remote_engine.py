"""Deploys in a frontend the versions whose networks run in engine processes."""

import asyncio
import socket

import numpy as np

from models.contract import Pixels, Precision
from service.batching.dense_queue import DenseQueue
from service.batching.latency_model import LatencyModel
from service.engine.profile import Profile
from service.repository.loader import ModelLimits, admission_of
from service.repository.version import Deployment, ModelVersion
from service.server.ipc.dispatcher import EngineDispatcher
from service.server.ipc.engine_client import EngineConnection, Report, attach
from service.server.ipc.pixel_slots import PixelSlots
from service.telemetry.health import Health
from service.telemetry.metrics import Metrics
from service.types import DensePrediction, EngineInfo, EngineResult, Payload, Priority

_NO_ENGINE = "engines are being started; requests wait for them"


class RemoteSubmitter:
    """The Submitter of one version whose batcher runs in engine processes."""

    def __init__(self, dispatch: EngineDispatcher, version: ModelVersion) -> None:
        self._dispatch = dispatch
        self._version, self._classes = version.identity, len(version.manifest.labels)
        self.depth = 0

    async def submit(
        self,
        payload: Payload,
        class_map: bool = False,
        deadline: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> EngineResult:
        """Return the network's output for one image; see Submitter.

        All time except the engine run counts as queue time.
        """
        began = asyncio.get_running_loop().time()
        self.depth += 1
        try:
            reply, behind = await self._dispatch.ask(
                self._version, payload.pixels(), class_map=class_map, deadline=deadline, priority=priority
            )
        finally:
            self.depth -= 1
        numbers = np.frombuffer(behind, np.float32)
        rest = numbers[self._classes :].reshape(-1, reply.rows, reply.columns) if reply.rows else None
        queue_s = asyncio.get_running_loop().time() - began - reply.infer_s
        return EngineResult(numbers[: self._classes], rest, max(0.0, queue_s), reply.infer_s)

    async def stop(self) -> None:
        """Close the dispatcher. The engine processes end after the frontends."""
        self._dispatch.close()


class RemoteDense:
    """Runs images of any size of one version in an engine process."""

    def __init__(self, dispatch: EngineDispatcher, version: ModelVersion) -> None:
        self._dispatch = dispatch
        self._version, self._classes = version.identity, len(version.manifest.labels)

    async def predict(self, image: Pixels) -> DensePrediction:
        """Run one image; see Engine.predict_dense."""
        reply, behind = await self._dispatch.ask(self._version, image, dense=True)
        numbers, classes = np.frombuffer(behind, np.float32), self._classes
        class_map = numbers[2 * classes :].reshape(classes, reply.rows, reply.columns)
        return DensePrediction(numbers[:classes], numbers[classes : 2 * classes], class_map)


class RemoteLoader:
    """Loads versions: one is ready when an engine process reports so, and failed when all of them have rejected it."""

    def __init__(
        self,
        slots: PixelSlots,
        limits: ModelLimits,
        metrics: Metrics,
        lifecycle: Health,
        *,
        frontends: int,
        engines: int,
    ) -> None:
        """Create a loader.

        frontends, engines: number of processes. Each frontend plans with its share of the engine processes.
        """
        self._lifecycle = lifecycle
        self._dispatch = EngineDispatcher(slots, self._tell_probes)
        self._limits, self._metrics = limits, metrics
        self._share, self._engines = engines / frontends, engines
        self._dense_turns = asyncio.Semaphore(1)
        self._reports: dict[str, list[Report]] = {}
        self._heard = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        metrics.process.slots.labels("free").set_function(lambda: slots.free)
        metrics.process.slots.labels("taken").set_function(lambda: slots.count - slots.free)

    def link(self, end: socket.socket) -> None:
        """Start the connection to an engine process that has just started, or that ran before this frontend."""
        task = asyncio.ensure_future(attach(end, self._dispatch.slots, EngineConnection(self._dispatch, self._hear)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def load(self, version: ModelVersion) -> None:
        report = await self._verdict(version.identity)
        if report["state"] == "failed":
            version.state, version.reason = "failed", report["reason"]
            return
        version.serving = self._start(version, report)
        version.state = "ready"

    async def after_all_loaded(self) -> None:
        """Do nothing: the engine processes load completely before they report."""

    def _hear(self, link: EngineConnection, report: Report) -> None:
        self._reports.setdefault(report["version"], []).append(report)
        if report["state"] == "ready":
            self._dispatch.serves(link, report["version"], report["model"])
        self._heard.set()

    def _tell_probes(self, served: bool) -> None:
        (self._lifecycle.not_ready_reasons.discard if served else self._lifecycle.not_ready_reasons.add)(_NO_ENGINE)

    async def _verdict(self, version: str) -> Report:
        while True:
            reports = self._reports.get(version, [])
            ready = next((report for report in reports if report["state"] == "ready"), None)
            if ready is not None or len(reports) >= self._engines:
                return ready or reports[-1]
            self._heard.clear()
            await self._heard.wait()

    def _start(self, version: ModelVersion, report: Report) -> Deployment:
        profile = Profile.model_validate(report["profile"])
        concurrency, threads = report["concurrency"], report["threads_per_batch"]
        info = EngineInfo(report["provider"], concurrency, threads, threads)  # only frontends know single requests
        size, share = report["max_batch_size"], self._share
        forecast = LatencyModel(lambda images: profile.seconds(images) / share, concurrency, size)
        admission = admission_of(version, forecast, self._limits.max_queue, self._metrics)
        return Deployment(
            Precision(report["precision"]),
            info,
            RemoteSubmitter(self._dispatch, version),
            DenseQueue(RemoteDense(self._dispatch, version).predict, self._limits.dense, self._dense_turns),
            admission,
            size,
            profile,
        )
