"""ASGI middleware for every request: id, stage times, metrics, access log, and problem documents for exceptions."""

import asyncio
import logging
import random
import re
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import plain_problem, problem_of, respond
from service.errors import NotReady, released
from service.telemetry.health import Health
from service.telemetry.metrics import STAGES, Metrics

logger = logging.getLogger(__name__)
access = logging.getLogger("service.access")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_CLOSE = (b"connection", b"close")
"""Header sent while the service drains.

The client opens its next connection to another server, so that it loses no request on this connection.
"""
_CLIENT_CLOSED = 499  # nginx's status for a request whose client disconnected


class RequestContextMiddleware:
    """Puts `request_id`, `stages` (seconds by name) and `problems` (types) into the state of each request."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        access_log: bool,
        health: Health,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        """begin: called before each request, where the lifespan of the application may not have been run."""
        self._app = app
        self._begin = begin
        self._health = health
        self._metrics = metrics
        self._access_log = access_log
        self._stages = {stage: metrics.requests.stages.labels(stage) for stage in STAGES}
        self._answered = cache(metrics.requests.answered.labels)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._begin()
        started = time.perf_counter()
        state: dict[str, Any] = scope.setdefault("state", {})
        state |= {"request_id": _request_id(scope), "stages": {}, "problems": []}
        status = 0

        async def send_enveloped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                state["stages"]["total"] = time.perf_counter() - started
                _add_headers(message, state)
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
            logger.exception("request %s failed", state["request_id"])
            if status:
                raise
            detail = f"an unexpected error; the service's log has it under the request id {state['request_id']}"
            await respond(plain_problem(500, detail), state["request_id"])(scope, receive, send_enveloped)
        finally:
            self._record(scope, state, status or _CLIENT_CLOSED)

    def _record(self, scope: Scope, state: dict[str, Any], status: int) -> None:
        route: str = getattr(scope.get("route"), "path", "unmatched")
        self._answered(route, status).inc()
        for problem in state["problems"]:
            self._metrics.requests.problems.labels(problem.rpartition("/")[2]).inc()
        if route.endswith("/classify"):
            for stage, seconds in state["stages"].items():
                self._stages[stage].observe(seconds)
        if self._access_log:
            total_ms = state["stages"].get("total", 0) * 1000
            access.info("%s %s %d %.1f ms %s", scope["method"], route, status, total_ms, state["request_id"])


def _request_id(scope: Scope) -> str:
    """Return the first X-Request-ID of the client if it is safe for logs and headers, otherwise a new one."""
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), "")
    return given if _REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"


def _add_headers(message: Message, state: dict[str, Any]) -> None:
    timing = ", ".join([f"{name};dur={seconds * 1000:.2f}" for name, seconds in state["stages"].items()])
    headers = message.setdefault("headers", [])
    headers += [(b"x-request-id", state["request_id"].encode()), (b"server-timing", timing.encode())]
    if _NOSNIFF not in headers:
        headers.append(_NOSNIFF)
