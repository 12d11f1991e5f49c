"""The paths of the admin API, as one ASGI application over a `Lifecycle`.

It is only reachable through a Unix socket of the user who runs the service, so there is no token.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from service.api.admin.schemas import (
    AdminState,
    AdminVersion,
    Choice,
    DefaultAnswer,
    DefaultRule,
    Named,
    Nothing,
)
from service.api.problems import plain_problem, problem_of, respond, response_to
from service.errors import BodyTooLarge, Conflict, MalformedBody, NotReady, ServiceError
from service.repository.lifecycle import Lifecycle
from service.repository.scan import RepositoryError
from service.repository.state import RepositoryState, VersionRecord

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 4096
_PATHS = "GET /models, POST /models/load, /models/unload, /models/default and /models/rescan"

Body = TypeVar("Body", bound=BaseModel)
Outcome = TypeVar("Outcome")


def create_admin_app(lifecycle: Callable[[], Lifecycle]) -> Starlette:
    """Return the application. lifecycle: returns the one that is in charge now; it may be replaced by a new one."""
    admin = _Admin(lifecycle)
    app = Starlette(
        routes=[
            Route("/models", _answering(admin.models), methods=["GET"]),
            Route("/models/load", _answering(admin.load), methods=["POST"]),
            Route("/models/unload", _answering(admin.unload), methods=["POST"]),
            Route("/models/default", _answering(admin.default), methods=["POST"]),
            Route("/models/rescan", _answering(admin.rescan), methods=["POST"]),
        ],
        exception_handlers={HTTPException: _no_such_path},
    )
    app.router.redirect_slashes = False  # a redirection would lead to a host that no socket has
    return app


class _Admin:
    """The calls of the API. Each change is a task of its own, which goes on when its client disconnects."""

    def __init__(self, lifecycle: Callable[[], Lifecycle]) -> None:
        self._lifecycle = lifecycle
        self._changes = set[asyncio.Task[Any]]()

    async def models(self, _request: Request) -> AdminState:
        """Return what is served now, also while a change is being made."""
        return described(self._lifecycle())

    async def load(self, request: Request) -> AdminState:
        """Load what is named, and answer when it is ready. Raises Conflict with the reasons where it is not."""
        name = (await _body(request, Named)).name
        lifecycle = self._lifecycle()
        _require_readiness(await self._change(f"load {name}", lifecycle.load(name)), name)
        return described(lifecycle)

    async def unload(self, request: Request) -> AdminState:
        """Unload what is named, and answer when its accepted requests are answered and its memory is free."""
        name = (await _body(request, Named)).name
        lifecycle = self._lifecycle()
        await self._change(f"unload {name}", lifecycle.unload(name))
        return described(lifecycle)

    async def default(self, request: Request) -> DefaultAnswer:
        """Choose the default version of a model."""
        choice = await _body(request, Choice)
        lifecycle = self._lifecycle()
        before = lifecycle.wanted_of(choice.model)
        work = lifecycle.set_default(choice.model, choice.version)
        done = await self._change(f"default {choice.model} {choice.version}", work)
        return DefaultAnswer(
            model=choice.model,
            wanted=done.wanted,
            version=done.version,
            before=before,
            not_stored=done.not_stored,
        )

    async def rescan(self, request: Request) -> AdminState:
        """Compare the folder with what is served, and answer when both agree as far as they can."""
        await _body(request, Nothing)
        lifecycle = self._lifecycle()
        await self._change("rescan", lifecycle.reconcile())
        return described(lifecycle)

    async def _change(self, what: str, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        """Do the work to its end, whether or not the client waits. Raises Conflict where the folder is at fault."""
        logger.info("through the admin socket: %s", "".join(letter if letter.isprintable() else "?" for letter in what))
        task = asyncio.create_task(work)
        self._changes.add(task)
        task.add_done_callback(self._forget)
        try:
            return await asyncio.shield(task)
        except RepositoryError as error:
            raise Conflict(f"nothing was changed: {error}") from error

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._changes.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as seen, where the client has left


def described(lifecycle: Lifecycle) -> AdminState:
    """Return what a lifecycle serves. Before the end of the start, versions are shown as `warming`."""
    state = lifecycle.shown
    return AdminState(
        number=state.number,
        default_model=state.default_model,
        versions=[_version(state, record) for model in state.models for record in state.of(model)],
        defaults={
            model: DefaultRule(
                wanted=lifecycle.wanted_of(model),
                version=state.defaults.get(model),
                stored=lifecycle.is_stored(model),
                reason=state.not_followed.get(model),
            )
            for model in state.models
        },
        passed_over=state.passed_over,
    )


def _version(state: RepositoryState, record: VersionRecord) -> AdminVersion:
    default = record.state == "ready" and state.defaults.get(record.model) == record.number
    return AdminVersion(
        name=record.name, state=record.state, reason=record.reason, default=default, sha256=record.sha256
    )


def _require_readiness(state: RepositoryState, name: str) -> None:
    """Raise Conflict unless every version that a name means is ready."""
    named = [each for each in state.versions.values() if name in {each.name, each.model}]
    if not named:
        raise Conflict(f"{name} was unloaded again, or its folder was removed, before it was ready")
    if wrong := [each for each in named if each.state != "ready"]:
        ready = [each.name for each in named if each.state == "ready"]
        reasons = "; ".join(f"{each.name} {_what_is_wrong(each)}" for each in wrong)
        raise Conflict(reasons + (f"; ready: {', '.join(ready)}" if ready else ""))


def _what_is_wrong(record: VersionRecord) -> str:
    if record.state == "failed":
        return f"failed and is not served: {record.reason}"
    return f"is {record.state}: {record.reason}" if record.reason else f"is {record.state}"


async def _body(request: Request, kind: type[Body]) -> Body:
    """Return the JSON of a request. Raises BodyTooLarge, MalformedBody, and ValidationError for wrong fields."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge(f"the body has more than {MAX_BODY_BYTES} bytes")
    try:
        return kind.model_validate_json(bytes(body) or b"{}")
    except ValidationError as error:
        if any(wrong["type"] == "json_invalid" for wrong in error.errors()):
            fields = ", ".join(f'"{field}": ...' for field in kind.model_fields)
            raise MalformedBody(f"the body is no JSON; send {{{fields}}}") from error
        raise


def _answering(call: Callable[[Request], Awaitable[BaseModel]]) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that answers with the outcome of a call as JSON, or with a problem document."""

    async def endpoint(request: Request) -> Response:
        request.state.request_id, request.state.problems = None, []
        try:
            outcome = await call(request)
        except ServiceError as error:
            return await response_to(request, error)
        except ValidationError as error:
            return respond(plain_problem(422, f"A field is not valid. {_wrong_fields(error)}"), None)
        except asyncio.CancelledError:  # by the server, at the end of the service
            problem = problem_of(NotReady("the service is shutting down; what was asked for may not be done"))
            return respond(problem, None, {"Connection": "close"})
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:
            logger.exception("%s failed", request.url.path)
            return respond(plain_problem(500, "an unexpected error; the service's log has its cause"), None)
        return Response(outcome.model_dump_json(), media_type="application/json")

    return endpoint


def _wrong_fields(error: ValidationError) -> str:
    """Return which fields are wrong, and why, without the values that were sent."""
    reasons = dict[str, list[str]]()
    for wrong in error.errors(include_url=False, include_input=False):
        reasons.setdefault(str(wrong["loc"][0]) if wrong["loc"] else "the body", []).append(
            wrong["msg"].removeprefix("Value error, ")
        )
    return "; ".join(f"{field}: {', or '.join(found)}" for field, found in reasons.items())


async def _no_such_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = f"{request.method} {request.url.path} is not possible; there are {_PATHS}"
    return respond(plain_problem(error.status_code, text), None, dict(error.headers or {}))
