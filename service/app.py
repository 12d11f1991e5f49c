"""Assembles registry, classifier and routes, and manages their lifespan. Imports all other rooms."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from models.contract import usable_cores
from service.access.keyring import Keyring
from service.access.rate_limiter import RateLimiter, has_limits, limiter_of
from service.access.rate_table import RateTable
from service.api import docs, problem_pages
from service.api import health as probes
from service.api.allowed_hosts import AllowedHostsMiddleware
from service.api.auth import ApiKeyMiddleware
from service.api.auth_openapi import document_keys
from service.api.body_reader import BodyReader
from service.api.cors import allow_origins
from service.api.problems import HANDLERS
from service.api.refusal_pacing import RefusalPacer
from service.api.request_context import RequestContextMiddleware
from service.api.root_path import RootPathMiddleware
from service.api.trusted_proxies import TrustedProxiesMiddleware
from service.api.v1 import models, routes
from service.api.v1.classify import ClassifyEndpoint
from service.api.web import page
from service.batching.admission import CapacityLimiter
from service.build import local_loader
from service.decoding.decode import DecodeLimits
from service.decoding.decoder import DecoderPool
from service.decoding.worker import WorkerLimits
from service.inference.classifier import Classifier
from service.repository.checker import VersionChecker
from service.repository.lifecycle import Lifecycle
from service.repository.registry import Registry, VersionLoader
from service.repository.state import RepositoryState
from service.repository.watcher import Watcher
from service.settings import Settings
from service.telemetry import log
from service.telemetry.health import Health
from service.telemetry.metrics import Metrics
from service.telemetry.otel_variables import read_otel_variables

if TYPE_CHECKING:
    from service.telemetry.tracing import Tracing

logger = logging.getLogger(__name__)

_DESCRIPTION = """Send an image, get class probabilities, calibrated where the model says so.

Every error is a problem document (RFC 9457, `application/problem+json`) whose `detail` says what to change."""


@dataclass(frozen=True)
class ProcessContext:
    """What other processes provide for this one; nothing by default.

    metrics: of this process. scrape: returns the metrics of all processes for /metrics. loader: loads the versions into
    engines of other processes. state: what other processes decided to serve; whoever has this context prepares and
    commits it. keyring: the API keys, where they were read before. rate_table: what the processes count for the limits
    of clients; None to count here.
    """

    metrics: Metrics = field(default_factory=Metrics)
    scrape: Callable[[], Awaitable[bytes]] | None = None
    loader: VersionLoader | None = None
    state: RepositoryState | None = None
    keyring: Keyring | None = None
    rate_table: RateTable | None = None


def create_app(settings: Settings, health: Health | None = None, context: ProcessContext | None = None) -> FastAPI:
    """Return the ASGI application; it takes middleware, and can be mounted, as any other.

    Raises RepositoryError when there is nothing to serve, and KeyFileError for a key file that cannot be used.
    """
    health, context = health or Health(), context or ProcessContext()
    metrics = context.metrics
    log.count_dropped_lines(metrics.process.dropped_log_lines.inc)
    loader = context.loader or local_loader(settings, metrics)
    lifecycle = _lifecycle(settings) if context.state is None else None
    first = lifecycle.state if lifecycle is not None else context.state
    assert first is not None
    registry = Registry(settings.models, loader, first, metrics.models, settings.deadline_s)
    decoder = _decoder(settings, metrics)
    keyring = context.keyring or (Keyring(settings.keys) if settings.keys is not None else None)
    tracing = _tracing(metrics) if settings.traces else None
    watch = settings.models if settings.watch else None
    loading = _Loading(decoder, registry, lifecycle, health, watch, keyring, tracing)
    app = FastAPIOffline(
        title="Snellen",
        version=version("snellen"),
        description=_DESCRIPTION,
        lifespan=loading.lifespan,
        exception_handlers=HANDLERS,
        docs_url=None,  # service.api.docs
        redoc_url=None,
        static_url=docs.FILES,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # looking for it costs 2 % of B
    )
    app.state.registry, app.state.lifecycle = registry, lifecycle
    limiter = _limiter(settings, context.rate_table, metrics)
    routes.install(app, _endpoint(settings, metrics, Classifier(registry, decoder), limiter))
    app.include_router(models.router(registry))
    app.include_router(probes.router(registry, health, metrics, context.scrape, show_models=keyring is None))
    app.include_router(problem_pages.router())
    docs.install(app)
    page.install(app)
    if keyring is not None:
        document_keys(app)
        app.add_middleware(
            ApiKeyMiddleware,
            keyring=keyring,
            metrics=metrics.requests,
            default_model=lambda: registry.default_model,
        )
    if settings.root_path:
        app.add_middleware(RootPathMiddleware, root_path=settings.root_path)
    if settings.allowed_hosts:
        app.add_middleware(AllowedHostsMiddleware, hosts=settings.allowed_hosts)
    app.add_middleware(
        RequestContextMiddleware,
        metrics=metrics.requests,
        access_log=settings.access_log,
        health=health,
        begin=loading.begin,
        tracing=tracing,
    )
    if settings.allow_origins:
        allow_origins(app, settings.allow_origins)
    if settings.trusted_proxies:
        app.add_middleware(TrustedProxiesMiddleware, proxies=settings.trusted_proxies)
    return app


class _Loading:
    """Loads the models once: when the application starts, or at the first request where it is mounted in another one.

    Where another process decides when to load, no model is loaded here. The key file is followed from the same moment.

    Starlette does not run the lifespan of a mounted application.
    """

    def __init__(
        self,
        decoder: DecoderPool,
        registry: Registry,
        lifecycle: Lifecycle | None,
        health: Health,
        watch: Path | None,
        keyring: Keyring | None,
        tracing: "Tracing | None",
    ) -> None:
        """lifecycle: None where another process decides. watch: the repository folder, if its changes are followed.

        tracing: closed at the end; None where there are no spans.
        """
        self._decoder, self._registry, self._lifecycle, self._health = decoder, registry, lifecycle, health
        self._watch, self._keyring, self._tracing = watch, keyring, tracing
        self._tasks: list[asyncio.Task[None]] = []
        self._begun = False

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """Load while already answering probes; stop in the order of the way of a request."""
        self.begin()
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._decoder.stop()
            await self._registry.close()
            if self._tracing is not None:
                await asyncio.to_thread(self._tracing.close)

    def begin(self) -> None:
        """Start to load and to follow the key file, inside the event loop."""
        if self._begun:
            return
        self._begun = True
        if self._lifecycle is not None:
            self._tasks.append(asyncio.create_task(self._load(self._lifecycle)))
        if self._keyring is not None:
            self._tasks.append(asyncio.create_task(self._keyring.watch()))

    async def _load(self, lifecycle: Lifecycle) -> None:
        """Load the versions, and record the reason if none of them can be served."""
        try:
            await lifecycle.start(self._registry)
        except Exception as error:
            logger.exception("the service cannot become ready")
            self._health.failed = f"the service cannot become ready: {type(error).__name__}; the log has the cause"
            return
        self._health.failed = lifecycle.failed
        if self._watch is not None:
            await Watcher(self._watch, lifecycle.rescan).run()


def _lifecycle(settings: Settings) -> Lifecycle:
    """Return the lifecycle of a service of one process. Raises RepositoryError."""
    checker = VersionChecker(settings, usable_cores(), copies=1)
    return Lifecycle(settings.models, settings.default_model, checker)


def _tracing(metrics: Metrics) -> "Tracing | None":
    """Return what makes spans; None where the variables OTEL_... switch it off. Raises OtelError.

    The import is local: the packages are an extra, and take time and memory.
    """
    from service.telemetry.tracing import Tracing  # noqa: PLC0415

    variables = read_otel_variables(os.environ)
    return (
        Tracing(variables, lambda result, n: metrics.process.spans.labels(result).inc(n)) if variables.enabled else None
    )


def _decoder(settings: Settings, metrics: Metrics) -> DecoderPool:
    return DecoderPool(
        settings.decode_threads,
        DecodeLimits(settings.formats, settings.max_pixels),
        WorkerLimits(settings.decode_limit_s, settings.decode_memory_bytes),
        metrics.process.decode_worker_restarts.inc,
    )


def _limiter(settings: Settings, table: RateTable | None, metrics: Metrics) -> RateLimiter | None:
    """Return the limits of clients, None where none can have one. table: None to make one for this process."""
    if not has_limits(settings):
        return None
    refused = metrics.requests.rate_limited
    return limiter_of(settings, table or RateTable.of_this_process(), lambda name: refused.labels(name).inc())


def _endpoint(
    settings: Settings, metrics: Metrics, classifier: Classifier, rate_limiter: RateLimiter | None
) -> ClassifyEndpoint:
    """Return the endpoint of `classify` with its limits, and connect their metrics."""
    limiter = CapacityLimiter(
        settings.max_inflight_bytes,
        "bytes of request bodies",
        most_of_one=max(3 * settings.max_inflight_bytes // 4, 2 * settings.max_body_bytes),
    )
    pacer = RefusalPacer(most_waiting=settings.max_connections // 2)
    metrics.requests.queue_limit.set(settings.max_queue)
    metrics.requests.deadline.set(settings.deadline_s)
    metrics.requests.inflight_bytes.set_function(lambda: limiter.inside)
    metrics.requests.delayed_rejections.set_function(lambda: pacer.waiting)
    reader = BodyReader(settings.max_body_bytes, limiter, settings.body_timeout_s)
    max_images = min(settings.max_images, settings.max_queue)
    return ClassifyEndpoint(classifier, reader, pacer, max_images, settings.deadline_s, rate_limiter)
