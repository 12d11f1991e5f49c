"""The endpoints `/livez`, `/readyz` and `/metrics` for probes and for Prometheus."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from service.api.v1.models import summaries
from service.api.v1.schemas import Liveness, Readiness
from service.repository.registry import Registry
from service.telemetry.health import Health
from service.telemetry.metrics import Metrics


def readiness(registry: Registry, health: Health) -> Readiness:
    """Return the readiness of the service.

    Ready from the moment when loading has ended and the default model can answer, until the service drains.
    """
    default = registry.find()
    if health.draining:
        ready, detail = False, "draining: accepted requests are being answered, then the process ends"
    elif registry.loading:
        ready, detail = False, health.failed or "loading and verifying models"
    elif default.serving is None:
        ready, detail = False, f"the default model {default.name} was refused at load: {default.reason}"
    elif health.not_ready_reasons:
        ready, detail = False, "; ".join(sorted(health.not_ready_reasons))
    else:
        ready, detail = True, f"{default.name} answers on {default.serving.engine.provider}"
        detail += f"; {health.degraded}" if health.degraded else ""
    return Readiness(ready=ready, detail=detail, models=summaries(registry))


def router(
    registry: Registry,
    health: Health,
    metrics: Metrics,
    scrape: Callable[[], Awaitable[bytes]] | None = None,
) -> APIRouter:
    """Return the routes of the three endpoints.

    scrape: returns the merged metrics of all processes, where there are several; None to use the registry of this
    process.
    """
    routes = APIRouter(tags=["health"])
    metrics.process.ready.set_function(lambda: readiness(registry, health).ready)

    @routes.get("/livez", summary="Is the process alive?")
    async def livez() -> Liveness:
        return Liveness()

    @routes.get(
        "/readyz",
        summary="Should traffic come here?",
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "Not now; `detail` says why"}},
    )
    async def readyz() -> Response:
        state = readiness(registry, health)
        return JSONResponse(state.model_dump(mode="json"), 200 if state.ready else 503)

    @routes.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def prometheus() -> Response:
        text = await scrape() if scrape is not None else generate_latest(metrics.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    for path, probe in (("/livez", livez), ("/readyz", readyz)):
        routes.head(path, include_in_schema=False)(probe)
    return routes
