"""Deploys in a frontend the versions whose networks run in engine processes."""

import asyncio
import math
import socket
from collections import Counter, defaultdict

import numpy as np

from models.contract import Pixels, Precision
from service.batching.dense_queue import DenseQueue
from service.batching.latency_model import LatencyModel
from service.engine.profile import Profile
from service.repository.loader import ModelLimits, admission_of
from service.repository.state import RepositoryState
from service.repository.version import Deployment, ModelVersion
from service.server.ipc.dispatcher import EngineDispatcher, RemoteImage
from service.server.ipc.pixel_slots import PixelSlots
from service.server.ipc.protocol import Report, ResponseHeader
from service.tasks import begin
from service.telemetry.health import Health
from service.telemetry.metrics import Metrics
from service.types import UNKNOWN_CLIENT, DensePrediction, EngineInfo, EngineResult, Payload, Priority

_NO_ENGINE = "engines are being started; requests wait for them"
_NOT_WANTED = "it is no longer wanted"


class RemoteSubmitter:
    """The Submitter of one version whose batcher runs in engine processes."""

    def __init__(self, dispatcher: EngineDispatcher, version: ModelVersion) -> None:
        self._dispatcher = dispatcher
        self._version, self._classes = version.identity, len(version.manifest.labels)

    async def submit(
        self,
        payload: Payload,
        class_map: bool = False,
        priority: Priority = Priority.INTERACTIVE,
        client: int = UNKNOWN_CLIENT,
    ) -> EngineResult:
        """Return the network's output for one image; see Submitter.

        All time except the engine run counts as queue time.
        """
        began = asyncio.get_running_loop().time()
        image = RemoteImage(self._version, payload.pixels(), False, class_map, priority, client)
        reply, data = await self._dispatcher.submit(image)
        numbers = np.frombuffer(data, np.float32)
        rest = numbers[self._classes :].reshape(-1, reply.rows, reply.columns) if reply.rows else None
        queue_s = asyncio.get_running_loop().time() - began - reply.infer_s
        row, energy = numbers[: self._classes], _energy_of(reply)
        return EngineResult(row, rest, max(0.0, queue_s), reply.infer_s, energy=energy, batch_size=reply.batch_size)

    async def predict_dense(self, image: Pixels) -> DensePrediction:
        """Run one image of any size; see Engine.predict_dense."""
        reply, data = await self._dispatcher.submit(RemoteImage(self._version, image, dense=True))
        numbers, classes = np.frombuffer(data, np.float32), self._classes
        class_map = numbers[2 * classes :].reshape(classes, reply.rows, reply.columns)
        return DensePrediction(numbers[:classes], numbers[classes : 2 * classes], class_map, _energy_of(reply))

    async def stop(self) -> None:
        """Reject new images of the version, and fail those that wait for an engine process."""
        self._dispatcher.close(self._version)


def _energy_of(reply: ResponseHeader) -> float | None:
    return None if math.isnan(reply.energy) else reply.energy


class RemoteLoader:
    """Loads versions: one is ready when an engine process reports so, and failed when all of them have rejected it."""

    def __init__(
        self, slots: PixelSlots, limits: ModelLimits, metrics: Metrics, health: Health, *, frontends: int, engines: int
    ) -> None:
        """Create a loader.

        frontends, engines: number of processes. Each frontend plans with its share of the engine processes.
        """
        self._health = health
        self._dispatcher = EngineDispatcher(slots, self._update_readiness)
        self._limits, self._metrics = limits, metrics
        self._share, self._engines = engines / frontends, engines
        self._dense_slots = asyncio.Semaphore(1)
        self._rejections = Counter[str]()
        self._verdicts: dict[str, asyncio.Future[Report]] = defaultdict(
            lambda: asyncio.get_running_loop().create_future()
        )
        self._wanted: set[str] | None = None
        """Versions that are worth waiting for; None for all."""
        self._tasks: set[asyncio.Task[None]] = set()
        metrics.process.slots.labels("free").set_function(lambda: slots.free)
        metrics.process.slots.labels("taken").set_function(lambda: slots.count - slots.free)

    def connect(self, end: socket.socket) -> None:
        """Start the connection to an engine process that has just started, or that ran before this frontend."""
        begin(self._dispatcher.connect(end, self._on_report), self._tasks)

    async def load(self, version: ModelVersion, profile: Profile | None) -> str | None:
        """Wait until an engine process has loaded the version, or all of them have rejected it.

        Returns why it cannot be served, None if it can. profile: not used, the engine process reports its own.
        """
        if self._wanted is not None and version.identity not in self._wanted:
            return _NOT_WANTED
        report = await self._verdicts[version.identity]
        if report["state"] == "ready":
            version.serving = self._start(version, report)
            return None
        self._forget(version.identity)
        return str(report["reason"])

    async def unload(self, version: ModelVersion) -> None:
        """Reject new images of the version and remove its metrics. The engine processes retire it afterwards."""
        if (serving := version.serving) is None:
            return
        version.serving = None
        await serving.stop()
        self._forget(version.identity)
        self._dispatcher.forget(version.identity)
        self._metrics.forget(*version.labels)

    def abandon_all_but(self, state: RepositoryState) -> None:
        """Wait from now on only for versions that are ready in `state`: no engine process may open others any more."""
        self._wanted = {
            f"{record.name}@{record.sha256}" for record in state.versions.values() if record.state == "ready"
        }
        for identity, verdict in self._verdicts.items():
            if identity not in self._wanted and not verdict.done():
                verdict.set_result({"version": identity, "state": "failed", "reason": _NOT_WANTED})

    def _forget(self, identity: str) -> None:
        self._verdicts.pop(identity, None)
        self._rejections.pop(identity, None)

    async def after_all_loaded(self) -> None:
        """Do nothing: the engine processes load completely before they report."""

    def _on_report(self, report: Report) -> None:
        name, ready = report["version"], report["state"] == "ready"
        if report["state"] == "gone":
            return
        self._rejections[name] += not ready
        if (ready or self._rejections[name] >= self._engines) and not self._verdicts[name].done():
            self._verdicts[name].set_result(report)

    def _update_readiness(self, served: bool) -> None:
        (self._health.not_ready_reasons.discard if served else self._health.not_ready_reasons.add)(_NO_ENGINE)

    def _start(self, version: ModelVersion, report: Report) -> Deployment:
        profile, info = Profile.model_validate(report["profile"]), EngineInfo(**report["engine"])
        size, share, submitter = profile.batch_size, self._share, RemoteSubmitter(self._dispatcher, version)
        forecast = LatencyModel(lambda images: profile.seconds(images) / share, info.concurrency, size)
        precision = Precision(profile.chosen.precision)
        return Deployment(
            precision,
            info,
            submitter,
            DenseQueue(submitter.predict_dense, self._limits.dense, self._dense_slots),
            admission_of(version, forecast, self._limits.max_queue, self._metrics),
            self._metrics.drift.observer(version.manifest, precision),
            size,
            profile,
        )
