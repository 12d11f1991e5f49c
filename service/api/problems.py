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
    """The HTTP form of one error class.

    meaning, cure: sentences for the page at `/problems/{slug}`: what the problem is, and what the client can do.
    """

    status: int
    slug: str
    title: str
    meaning: str
    cure: str


PROBLEM_TYPES: dict[type[errors.ServiceError], ProblemType] = {
    errors.EmptyBody: ProblemType(
        400,
        "empty-body",
        "The request holds no image",
        "The request arrived without an image: its body is empty, or its form has no file.",
        "Send the bytes of an image file as the body, or as a file of a form.",
    ),
    errors.MalformedBody: ProblemType(
        400,
        "malformed-body",
        "The body cannot be parsed",
        "The Content-Type announces a form or JSON, but the body cannot be read as one.",
        "Correct the body where the detail says, or send the bytes of one image as the whole body.",
    ),
    errors.Unauthenticated: ProblemType(
        401,
        "key-required",
        "A valid API key is needed",
        "This service answers only requests with an API key. The request has none, or one that is not valid or has "
        "expired.",
        "Send the key in the header Authorization: Bearer KEY, or in X-API-Key. The operator makes keys.",
    ),
    errors.Forbidden: ProblemType(
        403,
        "not-permitted",
        "The API key does not allow this",
        "The API key is valid, but it lacks the scope that this path needs, or may not use the model.",
        "Ask the operator of the service for a key with the scope or the model that the detail names.",
    ),
    errors.BodyTimeout: ProblemType(
        408,
        "body-timeout",
        "The body did not arrive in time",
        "The body of the request did not arrive completely within the time limit.",
        "Send it again; over a slow connection send a smaller image, or fewer images at a time.",
    ),
    errors.BodyTooLarge: ProblemType(
        413,
        "body-too-large",
        "The body is too large",
        "The body has more bytes than this service accepts in one request.",
        "Send smaller images, or fewer at a time. The operator can raise the limit with --max-body-bytes.",
    ),
    errors.TooManyImages: ProblemType(
        413,
        "too-many-images",
        "Too many images in one request",
        "One request holds more images than this service accepts at a time.",
        "Send the images in several requests.",
    ),
    errors.UnsupportedFormat: ProblemType(
        415,
        "unsupported-format",
        "Not an accepted image format",
        "The bytes are not an image of a format that this service accepts. The format is recognised from the "
        "bytes; the name of the file and the Content-Type do not matter.",
        "Convert the image to one of the formats that the detail lists. Where something else was sent, such "
        "as a HEIC photo, base64 text or a web page, the detail names it.",
    ),
    errors.CorruptImage: ProblemType(
        422,
        "corrupt-image",
        "The image cannot be decoded",
        "The bytes begin like an image but cannot be decoded: a part is missing, or bytes were changed.",
        "Send the whole file, unchanged. With curl use --data-binary: -d takes line ends out of the file.",
    ),
    errors.TooManyPixels: ProblemType(
        422,
        "too-many-pixels",
        "The image has too many pixels",
        "Width times height of the image is above the limit, which protects the service's memory.",
        "Scale the image down. The model looks at a far smaller picture anyway.",
    ),
    errors.TooSmall: ProblemType(
        422,
        "too-small",
        "The image is smaller than the model's input",
        "Dense classification needs an image that is at least as large as the model's input.",
        "Send a larger image, or leave dense=1 out.",
    ),
    errors.TooManyCells: ProblemType(
        422,
        "too-many-cells",
        "The grid of classes would be too large",
        "Dense classification of this image would return more predictions than the limit.",
        "Send a smaller image, or a lower top_k.",
    ),
    errors.DecodeLimit: ProblemType(
        422,
        "decode-limit",
        "Decoding the image takes too much",
        "Decoding this image takes more time or memory than one image may take.",
        "Send it smaller, or save it anew, for example as a baseline JPEG.",
    ),
    errors.Conflict: ProblemType(
        409,
        "conflict",
        "The change cannot be made now",
        "A change of the models was asked for that would leave requests without an answer, or that the present "
        "state of the model does not allow. Nothing was changed.",
        "Do first what the detail names, such as making another version the default one.",
    ),
    errors.InvalidOption: ProblemType(
        422,
        "invalid-option",
        "The model cannot do this",
        "An option of the request is valid for other models, but not for this one.",
        "Change the option as the detail says. GET /v1/models/NAME shows what the model offers.",
    ),
    errors.NotCalibrated: ProblemType(
        422,
        "not-calibrated",
        "No prediction sets for this coverage",
        "The model has no prediction sets for the coverage that was asked for.",
        "Use one of the coverages that GET /v1/models/NAME lists, or leave coverage out.",
    ),
    errors.NoClassMap: ProblemType(
        422,
        "no-class-map",
        "This model has no heatmap",
        "The model cannot show where in the picture it saw a class.",
        'Leave explain=heatmap out, or use a model for which GET /v1/models/NAME shows "heatmap": true.',
    ),
    errors.NotDense: ProblemType(
        422,
        "not-dense",
        "This model takes no larger images",
        "The network of this model takes images of one size only, so dense classification is not possible.",
        "Leave dense=1 out, or use a model for which GET /v1/models/NAME shows dense.",
    ),
    errors.ModelNotFound: ProblemType(
        404,
        "model-not-found",
        "No such model",
        "This service has no model of that name, or no model is the default.",
        "Use one of the names in the detail; GET /v1/models lists all models.",
    ),
    errors.VersionNotFound: ProblemType(
        404,
        "version-not-found",
        "No such version",
        "The model exists, but this version of it does not.",
        "Use one of the versions in the detail, or leave the version out of the path.",
    ),
    errors.RateLimited: ProblemType(
        429,
        "rate-limited",
        "Too many images per second",
        "The operator of this service limits the images per second of each client, and this client has sent more. The "
        "detail says how many it may send.",
        "Send the request again after the seconds in the header Retry-After, and images more slowly from then on.",
    ),
    errors.QueueFull: ProblemType(
        503,
        "queue-full",
        "The service is at its limit",
        "The service has as much work as it can answer in time, and refused this request at once.",
        "Send the request again after the seconds in the header Retry-After, and fewer requests at a time.",
    ),
    errors.NotReady: ProblemType(
        503,
        "not-ready",
        "The model is not ready",
        "The model is being loaded, could not be loaded, or the service is shutting down.",
        "Send the request again after the seconds in the header Retry-After. If it stays so, GET /readyz has "
        "the reason.",
    ),
    errors.DeadlineExceeded: ProblemType(
        504,
        "deadline-exceeded",
        "The deadline has passed",
        "There was no answer within the deadline of the request.",
        "Allow more time with the header X-Deadline-Ms, or send fewer images at a time.",
    ),
    errors.EngineFailure: ProblemType(
        500,
        "engine-failure",
        "The model could not be run",
        "The network could not be run on this image. The fault is not in the request.",
        "Send the request again. If it fails again, tell the operator the request_id; the cause is in the "
        "service's log.",
    ),
}


def problem_of(error: errors.ServiceError, root_path: str = "") -> Problem:
    """Return the problem document for a ServiceError. root_path: prefix of the service's paths."""
    face = PROBLEM_TYPES[type(error)]
    address = f"{root_path}/problems/{face.slug}"
    return Problem(type=address, title=face.title, status=face.status, detail=_shortened(error.detail))


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


def _root_path(request: Request) -> str:
    found: str = request.scope.get("root_path", "")
    return found


async def _on_service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.ServiceError)
    if isinstance(error, errors.ModelNotFound) and getattr(request.state, "key_models", None) is not None:
        error = errors.ModelNotFound("there is no model of that name")  # not the names of others, as otherwise
    problem = problem_of(errors.released(error), _root_path(request))
    request.state.problems.append(problem.type)
    headers = {}
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, errors.BodyTimeout | errors.BodyTooLarge | errors.NotReady):
        headers["Connection"] = "close"  # the rest of the body is not read, or another process may be ready
    if isinstance(error, errors.AccessError):
        headers["WWW-Authenticate"] = _challenge(error)
        if _has_body(request):
            headers["Connection"] = "close"  # the body is not read
    return respond(problem, request.state.request_id, headers)


def _challenge(error: errors.AccessError) -> str:
    """Return the value of WWW-Authenticate, after RFC 6750."""
    parts = ['realm="snellen"']
    if isinstance(error, errors.Forbidden):
        parts += ['error="insufficient_scope"', *([f'scope="{error.scope}"'] if error.scope else [])]
    elif isinstance(error, errors.Unauthenticated) and error.given:
        parts.append('error="invalid_token"')
    return f"Bearer {', '.join(parts)}"


def _has_body(request: Request) -> bool:
    """Return whether a body is on its way."""
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors.released(error)
    detail = "; ".join(f"{'.'.join(str(p) for p in e['loc'][1:])}: {e['msg']}" for e in error.errors())
    return respond(plain_problem(422, f"A parameter is not valid. {detail}"), request.state.request_id)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    match error.status_code:
        case 404:
            detail = f"There is nothing at {request.url.path}. The API is described at {_root_path(request)}/docs."
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
