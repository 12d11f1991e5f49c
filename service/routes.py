"""`/v1/.../classify`: read the body, call the classifier, shape the answer, cancel the call when the client leaves."""

import asyncio
import math
import time
from collections.abc import Coroutine
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Header, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from service import openapi
from service.bodies import EncodedImage, images_of, is_form
from service.classifier import Classified, Classifier, Question
from service.errors import ServiceError
from service.problems import problem_of
from service.receiving import Receiver
from service.schemas import ClassifyResponse, FailedResult

T = TypeVar("T")
_LARGE_BODY = 256 * 1024
_LARGE_ANSWER = 5_000
"""Bytes of a form and classes of an answer from which on a thread works on them, so that nobody else waits."""
ModelPath = Annotated[str, Path(max_length=64, description="a model's name", examples=["imagenet"])]
VersionPath = Annotated[str, Path(max_length=20, description="a version", examples=["1"])]


class Options(BaseModel):
    """The query; a name that is not here is refused, since a typing error would go unnoticed."""

    model_config = ConfigDict(extra="forbid")

    dense: bool = Field(False, description="classify every part of a large image, at its own scale")
    top_k: int | None = Field(
        None, ge=1, description="classes in the answer, at most the model's number; default 5, 1 for a cell of `dense`"
    )
    explain: Literal["heatmap"] | None = Field(None, description="add where in the picture the first class was seen")
    coverage: float | None = Field(None, gt=0, lt=1, description="add a prediction set; one of the model's coverages")

    @field_validator("explain", "coverage")
    @classmethod
    def _not_with_dense(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and info.data.get("dense"):
            raise PydanticCustomError("contradiction", "not possible together with dense=1; leave one of them out")
        return value


DeadlineHeader = Annotated[
    int | None, Header(alias="X-Deadline-Ms", ge=1, description="milliseconds for the answer once the body is in")
]


class Classify:
    """What the three paths share."""

    def __init__(self, classifier: Classifier, receiver: Receiver, max_images: int, deadline_s: float) -> None:
        self._classifier = classifier
        self._receiver = receiver
        self._max_images = max_images
        self._deadline_ms = math.ceil(deadline_s * 1000)

    async def answer(
        self, request: Request, options: Options, deadline_ms: int | None, model: str | None, version: str | None
    ) -> Response:
        started = time.perf_counter()
        length = request.headers.get("content-length", "")
        async with self._receiver.receive(request.stream(), int(length) if length.isdecimal() else None) as body:
            request.state.stages["receive"] = time.perf_counter() - started
            images = await self._images(body, request.headers.get("content-type", ""))
            del body  # the images are cut out of it
            question = Question(
                images=images,
                model=model,
                version=version,
                top_k=options.top_k,
                heatmap=options.explain == "heatmap",
                coverage=options.coverage,
                dense=options.dense,
                deadline_s=min(self._deadline_ms, deadline_ms or self._deadline_ms) / 1000,
            )
            classified = await _unless_gone(request, self._classifier.classify(question))
        timing = classified.timing
        request.state.stages |= {"decode": timing.decode_s, "queue": timing.queue_s, "infer": timing.infer_s}
        if not options.dense and len(images) * (options.top_k or 1) < _LARGE_ANSWER:
            return _respond(request, classified)
        return await asyncio.to_thread(_respond, request, classified)

    async def _images(self, body: bytes, content_type: str) -> list[EncodedImage]:
        if is_form(content_type) and len(body) >= _LARGE_BODY:
            return await asyncio.to_thread(images_of, body, content_type, self._max_images)
        return images_of(body, content_type, self._max_images)


def router(classify: Classify) -> APIRouter:
    """The three paths of one operation."""
    routes = APIRouter(prefix="/v1", tags=["classify"])
    documented: dict[str, Any] = {
        "response_model": ClassifyResponse,
        "responses": openapi.CLASSIFY_RESPONSES,
        "openapi_extra": openapi.CLASSIFY_BODY,
    }

    @routes.post("/classify", summary="Classify with the default model", **documented)
    async def classify_default(
        request: Request, options: Annotated[Options, Query()], deadline_ms: DeadlineHeader = None
    ) -> Response:
        return await classify.answer(request, options, deadline_ms, None, None)

    @routes.post("/models/{model}/classify", summary="Classify with a model's newest ready version", **documented)
    async def classify_model(
        request: Request, model: ModelPath, options: Annotated[Options, Query()], deadline_ms: DeadlineHeader = None
    ) -> Response:
        return await classify.answer(request, options, deadline_ms, model, None)

    @routes.post("/models/{model}/versions/{version}/classify", summary="Classify with one version", **documented)
    async def classify_version(
        request: Request,
        model: ModelPath,
        version: VersionPath,
        options: Annotated[Options, Query()],
        deadline_ms: DeadlineHeader = None,
    ) -> Response:
        return await classify.answer(request, options, deadline_ms, model, version)

    return routes


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client hangs up. Raises ClientDisconnect then."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_hung_up(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        gone.cancel()
        task.cancel()


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _respond(request: Request, classified: Classified) -> Response:
    manifest = classified.version.manifest
    results = []
    for result in classified.results:
        if isinstance(result, ServiceError):
            problem = problem_of(result)
            request.state.problems.append(problem.type)
            results.append(FailedResult(error=problem).model_dump(exclude_none=True))
        else:
            results.append(result.model_dump(exclude_none=True))
    return JSONResponse({"model": manifest.name, "version": str(manifest.version), "results": results})
