"""ASGI middleware for every request: ids, stage times, metrics, access log, spans, and problems for exceptions."""

import asyncio
import logging
import random
import re
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Protocol
from urllib.parse import quote

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import plain_problem, problem_of, respond
from service.errors import NotReady, released
from service.telemetry.access_log import AccessLine
from service.telemetry.health import Health
from service.telemetry.log import ACCESS
from service.telemetry.log_lines import RequestIds, current_request
from service.telemetry.metrics import STAGES, RequestMetrics
from service.telemetry.trace_context import TraceContext, read_trace_context

logger = logging.getLogger(__name__)
access = logging.getLogger(ACCESS)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_CLOSE = (b"connection", b"close")
"""Header sent while the service drains.

The client opens its next connection to another server, so that it loses no request on this connection.
"""
_CLIENT_CLOSED = 499  # nginx's status for a request whose client disconnected


class RequestSpan(Protocol):
    """The span of one request; see service.telemetry.tracing.

    response_header: value of the header `traceresponse`.
    """

    trace_id: str
    span_id: str
    response_header: str

    def end(
        self,
        route: str,
        status: int,
        attributes: Mapping[str, str | int],
        stages: Mapping[str, float],
        batch_size: int | None,
    ) -> None: ...


class RequestTracing(Protocol):
    """Makes the spans of requests; see service.telemetry.tracing."""

    def begin(self, method: str, caller: TraceContext | None) -> RequestSpan: ...


class RequestContextMiddleware:
    """Puts what is known of a request into its state, for the access log and the span.

    Always there: `request_id`, `stages` (seconds by name) and `problems` (addresses of types). Set by others where they
    know it: `key_name`, `model`, `version`, `images`, `bytes_in`, `batch_size`.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: RequestMetrics,
        access_log: bool,
        health: Health,
        begin: Callable[[], None] = lambda: None,
        tracing: RequestTracing | None = None,
    ) -> None:
        """begin: called before each request, where the lifespan of the application may not have been run.

        tracing: makes a span of each request; None: no spans.
        """
        self._app = app
        self._begin = begin
        self._health = health
        self._metrics = metrics
        self._access_log = access_log
        self._tracing = tracing
        self._stages = {stage: metrics.stages.labels(stage) for stage in STAGES}
        self._answered = cache(metrics.answered.labels)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._begin()
        started = time.perf_counter()
        request_id, caller = _read_headers(scope["headers"])
        state: dict[str, Any] = scope.setdefault("state", {})
        state |= {"request_id": request_id, "stages": {}, "problems": []}
        span = None if self._tracing is None else self._tracing.begin(scope["method"], caller)
        ids = _ids(request_id, caller, span)
        entered = current_request.set(ids)
        status = 0

        async def send_enveloped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                state["stages"]["total"] = time.perf_counter() - started
                _add_headers(message, state, span)
                if self._health.draining:
                    message["headers"].append(_CLOSE)
            await send(message)

        try:
            await self._app(scope, receive, send_enveloped)
        except ClientDisconnect as left:
            released(left)
            status = _CLIENT_CLOSED
        except asyncio.CancelledError:  # by the server, when the time limit of the drain has passed
            if not status:
                problem = problem_of(
                    NotReady("the service is shutting down; send the request again"), scope.get("root_path", "")
                )
                await respond(problem, state["request_id"], {"Retry-After": "1"})(scope, receive, send_enveloped)
        except Exception:
            logger.exception("the request failed unexpectedly")
            if status:
                raise
            detail = f"an unexpected error; the service's log has it under the request id {state['request_id']}"
            await respond(plain_problem(500, detail), state["request_id"])(scope, receive, send_enveloped)
        finally:
            self._record(scope, ids, status or _CLIENT_CLOSED, span)
            current_request.reset(entered)

    def _record(self, scope: Scope, ids: RequestIds, status: int, span: RequestSpan | None) -> None:
        state = scope["state"]
        route: str = getattr(scope.get("route"), "path", "unmatched")
        self._answered(route, status).inc()
        for problem in state["problems"]:
            self._metrics.problems.labels(problem.rpartition("/")[2]).inc()
        if route.endswith("/classify"):
            for stage, seconds in state["stages"].items():
                self._stages[stage].observe(seconds)
        if self._access_log:
            access.info(_access_line(scope, ids, status))
        if span is not None:
            span.end(route, status, _attributes(scope, status), state["stages"], state.get("batch_size"))


def _read_headers(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, TraceContext | None]:
    """Return the id of the request and the trace context of its caller.

    The id is the first X-Request-ID of the client if it is safe for logs and headers, otherwise a new one.
    """
    given, parents, states = "", list[bytes](), list[bytes]()
    for name, value in headers:
        if name == b"x-request-id":
            given = given or value.decode("latin-1")
        elif name == b"traceparent":
            parents.append(value)
        elif name == b"tracestate":
            states.append(value)
    request_id = given if _REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"
    return request_id, read_trace_context(parents, states) if parents else None


def _ids(request_id: str, caller: TraceContext | None, span: RequestSpan | None) -> RequestIds:
    if span is not None:
        return RequestIds(request_id, span.trace_id, span.span_id)
    return RequestIds(request_id, caller.trace_id if caller is not None else None)


def _access_line(scope: Scope, ids: RequestIds, status: int) -> AccessLine:
    state = scope["state"]
    return AccessLine(
        method=scope["method"],
        path=_sent_path(scope),
        status=status,
        request_id=ids.request_id,
        trace_id=ids.trace_id,
        span_id=ids.span_id,
        client=_client(scope),
        key=state.get("key_name"),
        model=state.get("model"),
        version=state.get("version"),
        problems=state["problems"],
        bytes_in=state.get("bytes_in"),
        images=state.get("images"),
        stages=state["stages"],
    )


def _attributes(scope: Scope, status: int) -> dict[str, str | int]:
    """Return the attributes of a request's span, by the names of OpenTelemetry where it has one."""
    state, problems = scope["state"], scope["state"]["problems"]
    found = {
        "http.request.method": scope["method"],
        "url.path": _sent_path(scope),
        "url.scheme": scope.get("scheme", "http"),
        "network.protocol.version": scope.get("http_version"),
        "client.address": _client(scope),
        "http.request.body.size": state.get("bytes_in"),
        "error.type": problems[0].rpartition("/")[2] if problems and status >= 400 else None,
        "snellen.request_id": state["request_id"],
        "snellen.key": state.get("key_name"),
        "snellen.model": state.get("model"),
        "snellen.version": state.get("version"),
        "snellen.images": state.get("images"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _sent_path(scope: Scope) -> str:
    """Return the path as the client sent it, with its escapes and without the query."""
    raw: bytes | None = scope.get("raw_path")
    return quote(scope["path"]) if raw is None else raw.decode("latin-1").partition("?")[0]


def _client(scope: Scope) -> str | None:
    client = scope.get("client")
    return client[0] if client else None


def _add_headers(message: Message, state: dict[str, Any], span: RequestSpan | None) -> None:
    timing = ", ".join([f"{name};dur={seconds * 1000:.2f}" for name, seconds in state["stages"].items()])
    headers = message.setdefault("headers", [])
    headers += [(b"x-request-id", state["request_id"].encode()), (b"server-timing", timing.encode())]
    if span is not None:
        headers.append((b"traceresponse", span.response_header.encode()))
    if _NOSNIFF not in headers:
        headers.append(_NOSNIFF)
