"""Turns errors into HTTP responses of the type `application/problem+json` (RFC 9457). No other module does."""

import logging
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service import errors
from service.api.v1.schemas import Problem

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_MAX_DETAIL_BYTES = 1024
"""Limit of a detail in bytes of UTF-8, since a detail may repeat what the client sent."""


class ProblemType(NamedTuple):
    """The HTTP form of one error class."""

    status: int
    slug: str
    title: str


PROBLEM_TYPES: dict[type[errors.ServiceError], ProblemType] = {
    errors.EmptyBody: ProblemType(400, "empty-body", "The request holds no image"),
    errors.MalformedBody: ProblemType(400, "malformed-body", "The body cannot be parsed"),
    errors.BodyTimeout: ProblemType(408, "body-timeout", "The body did not arrive in time"),
    errors.BodyTooLarge: ProblemType(413, "body-too-large", "The body is too large"),
    errors.TooManyImages: ProblemType(413, "too-many-images", "Too many images in one request"),
    errors.UnsupportedFormat: ProblemType(415, "unsupported-format", "Not an accepted image format"),
    errors.CorruptImage: ProblemType(422, "corrupt-image", "The image cannot be decoded"),
    errors.TooManyPixels: ProblemType(422, "too-many-pixels", "The image has too many pixels"),
    errors.TooSmall: ProblemType(422, "too-small", "The image is smaller than the model's input"),
    errors.TooManyCells: ProblemType(422, "too-many-cells", "The grid of classes would be too large"),
    errors.DecodeLimit: ProblemType(422, "decode-limit", "Decoding the image takes too much"),
    errors.InvalidOption: ProblemType(422, "invalid-option", "The model cannot do this"),
    errors.NotCalibrated: ProblemType(422, "not-calibrated", "No prediction sets for this coverage"),
    errors.NoClassMap: ProblemType(422, "no-class-map", "This model has no heatmap"),
    errors.NotDense: ProblemType(422, "not-dense", "This model takes no larger images"),
    errors.ModelNotFound: ProblemType(404, "model-not-found", "No such model"),
    errors.VersionNotFound: ProblemType(404, "version-not-found", "No such version"),
    errors.QueueFull: ProblemType(503, "queue-full", "The service is at its limit"),
    errors.NotReady: ProblemType(503, "not-ready", "The model is not ready"),
    errors.DeadlineExceeded: ProblemType(504, "deadline-exceeded", "The deadline has passed"),
    errors.EngineFailure: ProblemType(500, "engine-failure", "The model could not be run"),
}


def problem_of(error: errors.ServiceError) -> Problem:
    """Return the problem document for a ServiceError."""
    face = PROBLEM_TYPES[type(error)]
    return Problem(type=f"/problems/{face.slug}", title=face.title, status=face.status, detail=_shortened(error.detail))


def plain_problem(status: int, detail: str) -> Problem:
    """Return a problem document without a type of its own: unknown paths, wrong methods, invalid parameters."""
    return Problem(type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=_shortened(detail))


def _shortened(detail: str) -> str:
    """Return `detail`, cut after at most _MAX_DETAIL_BYTES."""
    encoded = detail.encode(errors="replace")
    if len(encoded) <= _MAX_DETAIL_BYTES:
        return detail
    return encoded[:_MAX_DETAIL_BYTES].decode(errors="ignore") + "... (shortened)"


def respond(problem: Problem, request_id: str | None, headers: dict[str, str] | None = None) -> Response:
    """Return the HTTP response for a problem document."""
    body = problem.model_copy(update={"request_id": request_id}).model_dump_json(exclude_none=True)
    return Response(body, problem.status, headers=headers, media_type=MEDIA_TYPE)


async def _on_service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.ServiceError)
    problem = problem_of(errors.released(error))
    request.state.problems.append(problem.type)
    headers = {}
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, errors.BodyTimeout | errors.BodyTooLarge | errors.NotReady):
        headers["Connection"] = "close"  # the rest of the body is not read, or another process may be ready
    return respond(problem, request.state.request_id, headers)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors.released(error)
    detail = "; ".join(f"{'.'.join(str(p) for p in e['loc'][1:])}: {e['msg']}" for e in error.errors())
    return respond(plain_problem(422, f"A parameter is not valid. {detail}"), request.state.request_id)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    match error.status_code:
        case 404:
            detail = f"There is nothing at {request.url.path}. The API is described at /docs."
        case 405:
            allowed = (error.headers or {}).get("Allow", "another method")
            detail = f"{request.method} is not possible at {request.url.path}; use {allowed}."
        case _:
            detail = str(error.detail)
    return respond(plain_problem(error.status_code, detail), request.state.request_id, dict(error.headers or {}))


HANDLERS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    errors.ServiceError: _on_service_error,
    RequestValidationError: _on_validation_error,
    HTTPException: _on_http_exception,
}
"""The exceptions that become a problem document, for FastAPI and for `response_to`."""


async def response_to(request: Request, error: Exception) -> Response:
    """Return the problem document for an exception of one of the classes in HANDLERS."""
    handler = next(HANDLERS[each] for each in type(error).__mro__ if each in HANDLERS)
    return await handler(request, error)
