"""The paths of the admin API, as one ASGI application over a `Lifecycle`.

As it is, it is for the Unix socket of the user who runs the service, and asks for no key; `guarded.py` is for TCP.
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
from service.api.permissions import require_model
from service.api.problems import plain_problem, problem_of, respond, response_to
from service.errors import BodyTimeout, BodyTooLarge, Conflict, Forbidden, MalformedBody, NotReady, ServiceError
from service.repository.lifecycle import Lifecycle
from service.repository.scan import RepositoryError
from service.repository.state import RepositoryState, VersionRecord

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 4096
_PATHS = "GET /models, POST /models/load, /models/unload, /models/default and /models/rescan"

Body = TypeVar("Body", bound=BaseModel)
Outcome = TypeVar("Outcome")


def create_admin_app(lifecycle: Callable[[], Lifecycle], body_timeout_s: float = 30.0) -> Starlette:
    """Return the application.

    lifecycle: returns the one that is in charge now; it may be replaced by a new one. body_timeout_s: seconds that a
    client has to send a body.
    """
    admin = _Admin(lifecycle, body_timeout_s)
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
    """The calls of the API. Each change is a task of its own, which goes on when its client disconnects.

    A request whose API key may use some models only, as `key_models` of its state says, sees and changes only these.
    """

    def __init__(self, lifecycle: Callable[[], Lifecycle], body_timeout_s: float) -> None:
        self._lifecycle, self._body_timeout_s = lifecycle, body_timeout_s
        self._changes = set[asyncio.Task[Any]]()

    async def models(self, request: Request) -> AdminState:
        """Return what is served now, also while a change is being made."""
        return described(self._lifecycle(), _models_of(request))

    async def load(self, request: Request) -> AdminState:
        """Load what is named, and answer when it is ready. Raises Conflict with the reasons where it is not."""
        name = (await self._body(request, Named)).name
        require_model(name.partition("/")[0], _models_of(request))
        lifecycle = self._lifecycle()
        _require_readiness(await self._change(request, f"load {name}", lifecycle.load(name)), name)
        return described(lifecycle, _models_of(request))

    async def unload(self, request: Request) -> AdminState:
        """Unload what is named, and answer when its accepted requests are answered and its memory is free."""
        name = (await self._body(request, Named)).name
        require_model(name.partition("/")[0], _models_of(request))
        lifecycle = self._lifecycle()
        await self._change(request, f"unload {name}", lifecycle.unload(name))
        return described(lifecycle, _models_of(request))

    async def default(self, request: Request) -> DefaultAnswer:
        """Choose the default version of a model."""
        choice = await self._body(request, Choice)
        require_model(choice.model, _models_of(request))
        lifecycle = self._lifecycle()
        before = lifecycle.wanted_of(choice.model)
        work = lifecycle.set_default(choice.model, choice.version)
        done = await self._change(request, f"default {choice.model} {choice.version}", work)
        return DefaultAnswer(
            model=choice.model,
            wanted=done.wanted,
            version=done.version,
            before=before,
            not_stored=done.not_stored,
        )

    async def rescan(self, request: Request) -> AdminState:
        """Compare the folder with what is served, and answer when both agree as far as they can."""
        await self._body(request, Nothing)
        if _models_of(request) is not None:
            raise Forbidden("this API key may use some models only, and a rescan concerns all; use load and unload")
        lifecycle = self._lifecycle()
        await self._change(request, "rescan", lifecycle.reconcile())
        return described(lifecycle)

    async def _body(self, request: Request, kind: type[Body]) -> Body:
        """Return the JSON of a request.

        Raises BodyTooLarge, BodyTimeout, MalformedBody, and ValidationError for wrong fields.
        """
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_timeout_s):
                async for piece in request.stream():
                    body += piece
                    if len(body) > MAX_BODY_BYTES:
                        raise BodyTooLarge(f"the body has more than {MAX_BODY_BYTES} bytes")
        except TimeoutError as error:
            raise BodyTimeout(f"the body did not arrive within {self._body_timeout_s:g} s") from error
        return _read_json(bytes(body), kind)

    async def _change(self, request: Request, what: str, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        """Do the work to its end, whether or not the client waits. Raises Conflict where the folder is at fault."""
        key = request.scope["state"].get("key_name")
        way = "the admin socket" if key is None else f"the admin port, with a key of {key}"
        logger.info("through %s: %s", way, what)
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


def described(lifecycle: Lifecycle, permitted: frozenset[str] | None = None) -> AdminState:
    """Return what a lifecycle serves. Before the end of the start, versions are shown as `warming`.

    permitted: models to describe, None for all.
    """
    state = lifecycle.shown
    models = [model for model in state.models if permitted is None or model in permitted]
    return AdminState(
        number=state.number,
        default_model=state.default_model if permitted is None or state.default_model in permitted else None,
        versions=[_version(state, record) for model in models for record in state.of(model)],
        defaults={
            model: DefaultRule(
                wanted=lifecycle.wanted_of(model),
                version=state.defaults.get(model),
                stored=lifecycle.is_stored(model),
                reason=state.not_followed.get(model),
            )
            for model in models
        },
        passed_over={
            folder: reason
            for folder, reason in state.passed_over.items()
            if permitted is None or folder.partition("/")[0] in permitted
        },
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


def _models_of(request: Request) -> frozenset[str] | None:
    """Return the models that the API key of a request may use, None for all."""
    models: frozenset[str] | None = request.scope["state"].get("key_models")
    return models


def _read_json(body: bytes, kind: type[Body]) -> Body:
    """Return the JSON of a body. Raises MalformedBody, and ValidationError for wrong fields."""
    try:
        return kind.model_validate_json(body or b"{}")
    except ValidationError as error:
        if any(wrong["type"] == "json_invalid" for wrong in error.errors()):
            fields = ", ".join(f'"{field}": ...' for field in kind.model_fields)
            raise MalformedBody(f"the body is no JSON; send {{{fields}}}") from error
        raise


def _answering(call: Callable[[Request], Awaitable[BaseModel]]) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that answers with the outcome of a call as JSON, or with a problem document."""

    async def endpoint(request: Request) -> Response:
        state = request.scope.setdefault("state", {})
        state.setdefault("request_id", None)  # both are there where RequestContextMiddleware is around this
        state.setdefault("problems", [])
        try:
            outcome = await call(request)
        except ServiceError as error:
            return await response_to(request, error)
        except ValidationError as error:
            return respond(plain_problem(422, f"A field is not valid. {_wrong_fields(error)}"), state["request_id"])
        except asyncio.CancelledError:  # by the server, at the end of the service
            problem = problem_of(NotReady("the service is shutting down; what was asked for may not be done"))
            return respond(problem, state["request_id"], {"Connection": "close"})
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:
            logger.exception("%s failed", request.url.path)
            detail = "an unexpected error; the service's log has its cause"
            return respond(plain_problem(500, detail), state["request_id"])
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
    request_id = request.scope.get("state", {}).get("request_id")
    return respond(plain_problem(error.status_code, text), request_id, dict(error.headers or {}))
