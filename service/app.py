"""Assembles registry, classifier and routes, and manages their lifespan. Imports all other rooms."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from service.api import health
from service.api.body_reader import BodyReader
from service.api.problems import HANDLERS
from service.api.refusal_pacing import RefusalPacer
from service.api.request_context import RequestContextMiddleware
from service.api.v1 import models, routes
from service.api.v1.classify import ClassifyEndpoint
from service.api.web import page
from service.batching.admission import CapacityLimiter
from service.build import local_loader
from service.decoding.decode import DecodeLimits
from service.decoding.decoder import DecoderPool
from service.decoding.worker import WorkerLimits
from service.inference.classifier import Classifier
from service.repository.registry import Registry, VersionLoader
from service.repository.served_versions import ServedVersions
from service.settings import Settings
from service.telemetry import log
from service.telemetry.health import Health
from service.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_DESCRIPTION = """Send an image, get class probabilities, calibrated where the model says so.

Every error is a problem document (RFC 9457, `application/problem+json`) whose `detail` says what to change."""


@dataclass(frozen=True)
class ProcessContext:
    """What other processes provide for this one; nothing by default.

    metrics: of this process. scrape: returns the metrics of all processes for /metrics. loader: loads the versions into
    engines of other processes. served: the versions that other processes serve.
    """

    metrics: Metrics = field(default_factory=Metrics)
    scrape: Callable[[], Awaitable[bytes]] | None = None
    loader: VersionLoader | None = None
    served: ServedVersions | None = None


def create_app(
    settings: Settings, lifecycle: Health | None = None, surroundings: ProcessContext | None = None
) -> FastAPI:
    """Return the ASGI application; it takes middleware, and can be mounted, as any other.

    Raises RepositoryError when there is nothing to serve.
    """
    lifecycle, surroundings = lifecycle or Health(), surroundings or ProcessContext()
    metrics = surroundings.metrics
    log.count_dropped_lines(metrics.process.dropped_log_lines.inc)
    loader = surroundings.loader or local_loader(settings, metrics)
    registry = Registry(settings.models, settings.default_model, loader, surroundings.served)
    decoder = _decoder(settings, metrics)
    max_images = min(settings.max_images, settings.max_queue)
    metrics.requests.queue_limit.set(settings.max_queue)
    metrics.requests.deadline.set(settings.deadline_s)
    receiver, pacing = _receiver(settings, metrics), _pacing(settings, metrics)
    classify = ClassifyEndpoint(Classifier(registry, decoder), receiver, pacing, max_images, settings.deadline_s)

    loading = _Loading(decoder, registry, lifecycle)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        """Load while already answering probes; stop in the order of the request's way."""
        loading.begin()
        try:
            yield
        finally:
            await loading.end()

    app = FastAPIOffline(
        title="Snellen",
        version=version("snellen"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        exception_handlers=HANDLERS,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.registry = registry
    routes.install(app, classify)
    app.include_router(models.router(registry))
    app.include_router(health.router(registry, lifecycle, metrics, surroundings.scrape))
    page.install(app)
    app.add_middleware(
        RequestContextMiddleware,
        metrics=metrics,
        access_log=settings.access_log,
        lifecycle=lifecycle,
        begin=loading.begin,
    )
    return app


class _Loading:
    """Loads the models once: when the application starts, or at the first request where it is mounted in another one.

    Starlette does not run the lifespan of a mounted application.
    """

    def __init__(self, decoder: DecoderPool, registry: Registry, lifecycle: Health) -> None:
        self._decoder, self._registry, self._lifecycle = decoder, registry, lifecycle
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Inside the event loop."""
        if self._task is None:
            self._task = asyncio.create_task(_start(self._registry, self._lifecycle))

    async def end(self) -> None:
        """Stop in the order of the way of a request."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._decoder.stop()
        await self._registry.close()


def _decoder(settings: Settings, metrics: Metrics) -> DecoderPool:
    return DecoderPool(
        settings.decode_threads,
        DecodeLimits(settings.formats, settings.max_pixels),
        WorkerLimits(settings.decode_limit_s, settings.decode_memory_bytes),
        metrics.process.decode_worker_restarts.inc,
    )


def _receiver(settings: Settings, metrics: Metrics) -> BodyReader:
    gate = CapacityLimiter(settings.max_inflight_bytes, "bytes of request bodies")
    metrics.requests.inflight_bytes.set_function(lambda: gate.inside)
    return BodyReader(settings.max_body_bytes, gate, settings.body_timeout_s)


def _pacing(settings: Settings, metrics: Metrics) -> RefusalPacer:
    pacing = RefusalPacer(most_waiting=settings.max_connections // 2)
    metrics.requests.delayed_rejections.set_function(lambda: pacing.waiting)
    return pacing


async def _start(registry: Registry, lifecycle: Health) -> None:
    """Load the versions, and record the reason if none of them can be served."""
    try:
        await registry.load()
    except Exception as error:
        logger.exception("the service cannot become ready")
        lifecycle.failed = f"the service cannot become ready: {type(error).__name__}; the log has the cause"
    else:
        if all(version.state == "failed" for version in registry):
            lifecycle.failed = "; ".join(f"{each.name} was refused at load: {each.reason}" for each in registry)
