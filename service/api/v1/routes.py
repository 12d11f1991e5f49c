"""The paths of `classify`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import HANDLERS, response_to
from service.api.v1 import openapi
from service.api.v1.openapi import ImagesAsText
from service.api.v1.or_left_out import OrLeftOut
from service.api.v1.params import DEADLINE, PRIORITY, Milliseconds, ModelPath, QueryParams, VersionPath
from service.api.v1.schemas import ClassifyResponse
from service.types import Priority

PATHS = ("/v1/classify", "/v1/models/{model}/classify", "/v1/models/{model}/versions/{version}/classify")
DeadlineHeader = Annotated[
    OrLeftOut[Milliseconds], Header(alias=DEADLINE, description="milliseconds for the answer once the body is in")
]
PriorityHeader = Annotated[Priority, Header(alias=PRIORITY, description="bulk fills the gaps of interactive work")]


class ClassifyPath(Route):
    """A path of `classify`; it puts itself into the scope, as FastAPI's routes do, for the metrics."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether the request is for this path, and what the scope gets then."""
        match, found = super().matches(scope)
        found["route"] = self
        return match, found


def _drop_trailing_slash(scope: Scope) -> None:
    """Make `/v1/models/` the same path as `/v1/models`. A redirect would make clients send the image twice."""
    path: str = scope["path"]
    if path.endswith("/") and path.removeprefix(scope.get("root_path", "")).startswith("/v1/"):
        scope["path"] = path[:-1]


class ClassifyMiddleware:
    """The innermost middleware: answers the paths of `classify`, and leaves all other requests to FastAPI.

    A slash at the end of a path of the API is ignored.

    What FastAPI does around each request takes 80 us of a core, a third of a request with a small network.
    """

    def __init__(self, app: ASGIApp, classify: ASGIApp) -> None:
        self._app, self._classify = app, classify
        self._paths = [ClassifyPath(path, classify, methods=["POST"]) for path in PATHS]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            _drop_trailing_slash(scope)
            for path in self._paths:
                match, found = path.matches(scope)
                if match is Match.FULL:
                    scope.update(found)
                    try:
                        await self._classify(scope, receive, send)
                    except tuple(HANDLERS) as error:
                        response = await response_to(Request(scope), error)
                        await response(scope, receive, send)
                    return
        await self._app(scope, receive, send)


def install(app: FastAPI, classify: ASGIApp) -> None:
    """Answer the paths with `classify`, and document them."""
    app.include_router(_documentation())
    app.add_middleware(ClassifyMiddleware, classify=classify)


def _parameters(
    options: Annotated[QueryParams, Query()],
    deadline_ms: DeadlineHeader = None,
    priority: PriorityHeader = Priority.INTERACTIVE,
) -> None:
    """Document the parameters of all three paths."""


Parameters = Annotated[None, Depends(_parameters)]


def _documentation() -> APIRouter:
    """Return routes that are never called, for the OpenAPI document."""
    routes = APIRouter(tags=["classify"])
    documented: dict[str, Any] = {
        "response_model": ClassifyResponse,
        "responses": openapi.CLASSIFY_RESPONSES | {200: openapi.CLASSIFIED},
        "openapi_extra": openapi.CLASSIFY_BODY,
        "description": "Return the most probable classes of each image.",
    }

    @routes.post(PATHS[0], operation_id="classify", summary="Classify with the default model", **documented)
    def classify(parameters: Parameters, body: ImagesAsText) -> None: ...

    @routes.post(
        PATHS[1],
        operation_id="classify_with_model",
        summary="Classify with a model's newest ready version",
        **documented,
    )
    def classify_with_model(model: ModelPath, parameters: Parameters, body: ImagesAsText) -> None: ...

    @routes.post(
        PATHS[2], operation_id="classify_with_version", summary="Classify with one version of a model", **documented
    )
    def classify_with_version(
        model: ModelPath, version: VersionPath, parameters: Parameters, body: ImagesAsText
    ) -> None: ...

    return routes
