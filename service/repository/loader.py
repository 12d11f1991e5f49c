"""Loads a bundle into a deployment: verified, warmed up, measured, with its own batcher and admission control."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from models.contract import Bundle, Precision
from service.batching.admission import AdmissionController
from service.batching.batcher import BatchCallbacks, Batcher
from service.batching.bulk_slots import BulkSlots
from service.batching.dense_queue import DenseLimits, DenseQueue
from service.batching.latency_model import LatencyModel
from service.engine.profile import INLINE_S, LoadedEngine, Profile, largest_within
from service.engine.providers import ON_CPU
from service.engine.session import EngineRejected
from service.repository.version import Deployment, ModelVersion
from service.telemetry.metrics import Metrics
from service.types import Engine, EngineInfo

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelLimits:
    """Limits of each model; see Settings."""

    max_queue: int
    dense: DenseLimits


EngineFactory = Callable[[Bundle, Profile | None], LoadedEngine]


class Loader:
    """Loads versions one after the other."""

    def __init__(self, prepare: EngineFactory, limits: ModelLimits, metrics: Metrics) -> None:
        """Create a loader.

        prepare: makes and verifies an engine, and measures it unless it is given a profile that fits; called in a
        thread.
        """
        self._prepare, self._limits, self._metrics = prepare, limits, metrics
        self._slots = BulkSlots()
        self._to_settle: list[tuple[ModelVersion, Engine, Callable[[], None]]] = []
        self._dense_slots = asyncio.Semaphore(1)  # one for all models: a dense image takes much memory

    async def load(self, version: ModelVersion, profile: Profile | None) -> str | None:
        """Give a version its deployment. Return why it cannot be served, None if it can.

        profile: its measurements, where another process has made them.
        """
        started = time.perf_counter()
        try:
            loaded = await asyncio.to_thread(self._prepare, version.bundle, profile)
        except EngineRejected as error:
            logger.error("%s is not served: %s", version.name, error)
            return str(error)
        except Exception as error:
            logger.exception("%s is not served", version.name)
            return f"{type(error).__name__} while loading; the log has the cause"
        engine, profile, cached, decodes, after_all_loaded = loaded
        version.serving = self._start(version, engine, profile, decodes=decodes)
        self._to_settle.append((version, engine, after_all_loaded))
        logger.info(
            "%s is open after %.1f s: %s on %s, %d at a time of %d threads; %s (%s)",
            version.name,
            time.perf_counter() - started,
            profile.chosen.precision,
            engine.provider,
            engine.concurrency,
            engine.threads_per_batch,
            profile.reason,
            "measured before" if cached else "measured now",
        )
        return None

    def leave_out_rest(self) -> None:
        """Forget the parts of loading that `after_all_loaded` would run."""
        self._to_settle.clear()

    async def unload(self, version: ModelVersion) -> None:
        """Stop the deployment of a version and remove its metrics, so that nothing of it is left in memory."""
        if (serving := version.serving) is None:
            return
        version.serving = None
        await serving.stop()
        self._metrics.forget(*version.labels)

    async def after_all_loaded(self) -> None:
        """Run the parts of loading that can wait until all versions are loaded.

        A version whose part fails serves without it.
        """
        while self._to_settle:
            version, engine, after_all_loaded = self._to_settle.pop(0)
            if version.state != "ready":  # another process could not open it
                continue
            try:
                await asyncio.to_thread(after_all_loaded)
            except Exception:
                logger.exception("%s serves without a session for single images", version.name)
            if version.serving is not None:
                version.serving.engine.single_image_threads = engine.single_image_threads

    def _start(self, version: ModelVersion, engine: Engine, profile: Profile, *, decodes: bool) -> Deployment:
        metrics, size = self._metrics, profile.batch_size
        largest_inline = largest_within(profile.points, INLINE_S) if engine.provider in ON_CPU else 0
        batcher = Batcher(
            engine,
            size,
            self._limits.max_queue,
            _callbacks(version, metrics),
            largest_inline,
            self._slots,
            profile.crowded_batch_size,
        )
        dense = _callbacks(version, metrics, dense=True)
        dense_queue = DenseQueue(engine.predict_dense, self._limits.dense, self._dense_slots, dense)
        forecast = LatencyModel(profile.seconds, engine.concurrency, size)
        admission = admission_of(version, forecast, self._limits.max_queue, metrics, batcher.expect)
        metrics.models.queue_depth.labels(*version.labels).set_function(lambda: batcher.depth)
        batcher.start()
        precision = Precision(profile.chosen.precision)
        info = EngineInfo(engine.provider, engine.concurrency, engine.threads_per_batch, engine.single_image_threads)
        answers = metrics.drift.observer(version.manifest, precision)
        return Deployment(precision, info, batcher, dense_queue, admission, answers, size, profile, decodes)


def _callbacks(version: ModelVersion, metrics: Metrics, *, dense: bool = False) -> BatchCallbacks:
    """Return the callbacks that record the batches of a version, or its images of any size."""
    batches, labels = metrics.batches, version.labels
    images, sizes = metrics.models.images.labels(*labels), batches.sizes.labels(*labels)
    seconds = (batches.dense_seconds if dense else batches.seconds).labels(*labels)

    def observe(size: int, took_s: float) -> None:
        images.inc(size)
        seconds.observe(took_s)
        if not dense:
            sizes.observe(size)

    return BatchCallbacks(observe, batches.failures.labels(*labels).inc, batches.preemptions.labels(*labels).inc)


def admission_of(
    version: ModelVersion,
    forecast: LatencyModel,
    max_queue: int,
    metrics: Metrics,
    on_interactive: Callable[[int], object] = lambda _images: None,
) -> AdmissionController:
    """Return the admission controller of a version, with its metrics connected."""
    errors = metrics.models.latency_prediction_errors.labels(*version.labels)
    admission = AdmissionController(max_queue, forecast, errors.observe, on_interactive)
    metrics.models.pending.labels(*version.labels).set_function(lambda: admission.inside)
    return admission
