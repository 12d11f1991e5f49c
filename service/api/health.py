"""The endpoints `/livez`, `/readyz` and `/metrics` for probes and for Prometheus."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from service.api.v1.models import summaries
from service.api.v1.schemas import Liveness, Readiness
from service.errors import NotReady
from service.repository.registry import Registry
from service.telemetry.health import Health
from service.telemetry.metrics import Metrics


def readiness(registry: Registry, health: Health) -> Readiness:
    """Return the readiness of the service.

    Ready from the moment when loading has ended and the default model can answer, until the service drains. Where no
    model is the default, any that can answer suffices.
    """
    if health.draining:
        ready, detail = False, "draining: accepted requests are being answered, then the process ends"
    elif registry.loading:
        ready, detail = False, health.failed or "loading and verifying models"
    else:
        ready, detail = _default_readiness(registry)
        if ready and health.not_ready_reasons:
            ready, detail = False, "; ".join(sorted(health.not_ready_reasons))
        elif ready and health.degraded:
            detail += f"; {health.degraded}"
    return Readiness(ready=ready, detail=detail, models=summaries(registry))


def _default_readiness(registry: Registry) -> tuple[bool, str]:
    """Return whether the default model can answer, and a sentence on it."""
    if registry.default_model is None:
        names = sorted({version.manifest.name for version in registry if version.state == "ready"})
        return bool(names), f"no model is the default; by name {', '.join(names) or 'none'} can answer"
    try:
        default = registry.find()
        serving = default.ready()
    except NotReady as error:
        return False, f"the default model cannot answer: {error.detail}"
    concerns = "".join(f"; {reason}" for reason in registry.concerns(default))
    return True, f"{default.name} answers on {serving.engine.provider}{concerns}"


def _without_names(state: Readiness, registry: Registry, health: Health) -> Readiness:
    """Return the readiness for clients that may not know which models there are."""
    if health.draining or (registry.loading and not health.failed):
        detail = state.detail
    else:
        detail = "ready" if state.ready else "not ready; the log and, with an API key, GET /v1/models have the reason"
    return state.model_copy(update={"models": [], "detail": detail})


def router(
    registry: Registry,
    health: Health,
    metrics: Metrics,
    scrape: Callable[[], Awaitable[bytes]] | None = None,
    *,
    show_models: bool = True,
) -> APIRouter:
    """Return the routes of the three endpoints.

    scrape: returns the merged metrics of all processes, where there are several; None to use the registry of this
    process. show_models: whether /readyz names models; not where reading them takes an API key.
    """
    routes = APIRouter(tags=["health"])
    metrics.process.ready.set_function(lambda: readiness(registry, health).ready)

    @routes.get("/livez", operation_id="livez", summary="Is the process alive?")
    async def livez() -> Liveness:
        return Liveness()

    @routes.get(
        "/readyz",
        operation_id="readyz",
        summary="Should traffic come here?",
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "Not now; `detail` says why"}},
    )
    async def readyz() -> Response:
        state = readiness(registry, health)
        if not show_models:
            state = _without_names(state, registry, health)
        return JSONResponse(state.model_dump(mode="json"), 200 if state.ready else 503)

    @routes.get(
        "/metrics",
        operation_id="metrics",
        summary="Prometheus metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def prometheus() -> Response:
        text = await scrape() if scrape is not None else generate_latest(metrics.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    for path, probe in (("/livez", livez), ("/readyz", readyz)):
        routes.head(path, include_in_schema=False)(probe)
    return routes
