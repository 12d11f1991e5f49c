"""The paths of `classify`: FastAPI documents them, but their requests bypass it."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Header, Path, Query
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.v1 import openapi
from service.api.v1.params import DEADLINE, PRIORITY, Milliseconds, QueryParams
from service.api.v1.schemas import ClassifyResponse
from service.types import Priority

ModelPath = Annotated[str, Path(max_length=64, description="a model's name", examples=["imagenet"])]
VersionPath = Annotated[str, Path(max_length=20, description="a version", examples=["1"])]
_PATH = re.compile(r"/v1/(?:models/(?P<model>[^/]+)/(?:versions/(?P<version>[^/]+)/)?)?classify")
_ROUTES = ("/v1/classify", "/v1/models/{model}/classify", "/v1/models/{model}/versions/{version}/classify")
"""Route templates, indexed by the number of names in the path."""
DeadlineHeader = Annotated[Milliseconds | None, Header(alias=DEADLINE)]
PriorityHeader = Annotated[Priority, Header(alias=PRIORITY, description="bulk fills the gaps of interactive work")]


class ClassifyFastPath:
    """The whole application: requests to classify go to `classify`, all others to `framework`."""

    def __init__(self, framework: FastAPI, classify: ASGIApp) -> None:
        self.framework = framework
        self._classify = classify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _PATH.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self.framework(scope, receive, send)
            return
        scope["path_params"] = found.groupdict()
        scope.setdefault("state", {})["route"] = _ROUTES[found.lastindex or 0]
        await self._classify(scope, receive, send)


def router() -> APIRouter:
    """Return routes that document the three paths of one operation; they answer all methods but POST."""
    routes = APIRouter(prefix="/v1", tags=["classify"])
    documented: dict[str, Any] = {
        "response_model": ClassifyResponse,
        "responses": openapi.CLASSIFY_RESPONSES,
        "openapi_extra": openapi.CLASSIFY_BODY,
    }
    asked = Annotated[QueryParams, Query()]

    @routes.post("/classify", summary="Classify with the default model", **documented)
    def classify_default(
        options: asked, deadline_ms: DeadlineHeader = None, priority: PriorityHeader = Priority.INTERACTIVE
    ) -> None:
        """Return the most probable classes of each image."""

    @routes.post("/models/{model}/classify", summary="Classify with a model's newest ready version", **documented)
    def classify_model(
        model: ModelPath,
        options: asked,
        deadline_ms: DeadlineHeader = None,
        priority: PriorityHeader = Priority.INTERACTIVE,
    ) -> None:
        """Return the most probable classes of each image."""

    @routes.post("/models/{model}/versions/{version}/classify", summary="Classify with one version", **documented)
    def classify_version(
        model: ModelPath,
        version: VersionPath,
        options: asked,
        deadline_ms: DeadlineHeader = None,
        priority: PriorityHeader = Priority.INTERACTIVE,
    ) -> None:
        """Return the most probable classes of each image."""

    return routes
