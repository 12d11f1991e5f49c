"""The paths of `classify`."""

from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Header, Path, Query
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.v1 import openapi
from service.api.v1.params import DEADLINE, PRIORITY, Milliseconds, QueryParams
from service.api.v1.schemas import ClassifyResponse
from service.types import Priority

ModelPath = Annotated[str, Path(max_length=64, description="a model's name", examples=["imagenet"])]
VersionPath = Annotated[str, Path(max_length=20, description="a version", examples=["1"])]
DeadlineHeader = Annotated[Milliseconds | None, Header(alias=DEADLINE)]
PriorityHeader = Annotated[Priority, Header(alias=PRIORITY, description="bulk fills the gaps of interactive work")]


class ClassifyRoute(APIRoute):
    """A path of `classify`: documented by a signature as FastAPI's routes are, answered by an ASGI application.

    FastAPI would validate the request by the signature, which takes longer than a small network takes for the answer.
    """

    answer: ClassVar[list[ASGIApp]]
    """One application, in a list: a function of the class would be a method."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a POST; other methods get the answer that FastAPI has for them."""
        if scope["method"] == "POST":
            await self.answer[0](scope, receive, send)
        else:
            await super().handle(scope, receive, send)


def router(classify: ASGIApp) -> APIRouter:
    """Return the three paths of one operation; their functions are its documentation, `classify` answers."""
    route_class = type("AnsweredRoute", (ClassifyRoute,), {"answer": [classify]})
    routes = APIRouter(prefix="/v1", tags=["classify"], route_class=route_class)
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
