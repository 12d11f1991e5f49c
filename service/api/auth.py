"""Lets in only requests with an API key that allows them, before their body is read."""

from collections.abc import Callable, Iterable
from functools import cache

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.access import api_keys
from service.access.api_keys import ApiKey
from service.access.keyring import Keyring
from service.api.permissions import Need, listed, needed, require_model
from service.api.problems import response_to
from service.errors import AccessError, Forbidden, Unauthenticated
from service.telemetry.metrics import RequestMetrics

_HOW = "send it as Authorization: Bearer KEY, or in X-API-Key"


class ApiKeyMiddleware:
    """Answers 401 without a valid key and 403 with one that does not allow the path.

    Puts `api_key`, its `key_name`, and `key_models` (names, None for all) into the state of each request that has a
    valid key, and `default_model` where the key may use some models only and the path means the default one. Has to run
    inside RequestContextMiddleware, and inside what sets `root_path`.
    """

    def __init__(
        self,
        app: ASGIApp,
        keyring: Keyring,
        metrics: RequestMetrics,
        default_model: Callable[[], str | None],
        need: Callable[[str], Need | None] = needed,
    ) -> None:
        """default_model: returns the name of the model behind /v1/classify. need: returns what a path needs."""
        self._app, self._keyring, self._need = app, keyring, need
        self._default_model = default_model
        self._count = cache(metrics.by_key.labels)
        self._unauthenticated = metrics.unauthenticated

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            need = self._need(_route_path(scope["path"], scope.get("root_path", "")))
            if need is not None:
                try:
                    self._check(scope, need)
                except AccessError as refusal:
                    response = await response_to(Request(scope), refusal)
                    await response(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, need: Need) -> None:
        """Raise Unauthenticated or Forbidden if the request may not be answered."""
        key = self._authenticate(scope["headers"])
        state = scope["state"]
        state["api_key"], state["key_name"], state["key_models"] = key, key.name, key.models
        try:
            state["default_model"] = self._authorize(key, need)
        except Forbidden:
            self._count(key.name, "forbidden").inc()
            raise
        self._count(key.name, "allowed").inc()

    def _authenticate(self, headers: Iterable[tuple[bytes, bytes]]) -> ApiKey:
        """Return the key of the request. Raises Unauthenticated."""
        given = set[bytes]()
        other_scheme = False
        for name, value in headers:
            if name == b"x-api-key":
                given.add(value)
            elif name == b"authorization":
                scheme, _, credentials = value.partition(b" ")
                if scheme.lower() == b"bearer":
                    given.add(credentials.strip())
                else:
                    other_scheme = True
        if not given:
            which = "this service needs an API key and takes no other scheme" if other_scheme else _NEEDS_A_KEY
            raise self._refusal("missing", f"{which}; {_HOW}", given=False)
        if len(given) > 1:
            raise self._refusal("ambiguous", "the request has two different API keys; send one of them only")
        key = self._keyring.find(given.pop())
        if key is None:
            raise self._refusal(
                "invalid", "the API key is not valid; send it whole and unchanged, or ask for a new one"
            )
        if key.expires is not None and key.has_expired():
            raise self._refusal("expired", "the API key has expired; ask the operator of the service for a new one")
        return key

    def _refusal(self, reason: str, detail: str, *, given: bool = True) -> Unauthenticated:
        self._unauthenticated.labels(reason).inc()
        return Unauthenticated(detail, given=given)

    def _authorize(self, key: ApiKey, need: Need) -> str | None:
        """Raise Forbidden if the key lacks the scope or the model.

        Returns the default model where it had to be one of the key's. The request is for that one, also when another
        model becomes the default while its body arrives.
        """
        if need.scope is not None and need.scope not in key.scopes:
            raise Forbidden(_missing(need.scope), need.scope)
        if key.models is None:
            return None
        if need.default_model:
            default = self._default_model()
            if default is None:
                raise Forbidden(f"this service has no default model; name in the path {listed(key.models)}")
            if default not in key.models:  # its name is no business of this client
                raise Forbidden(f"this API key may not use the default model; name in the path {listed(key.models)}")
            return default
        if need.model is not None:
            require_model(need.model, key.models)
        return None


def _route_path(path: str, root_path: str) -> str:
    """Return the path that routes see: without the prefix, and whole where another path only begins like it."""
    if root_path and path.startswith(root_path) and path[len(root_path) :][:1] in ("", "/"):
        return path[len(root_path) :]
    return path


_NEEDS_A_KEY = "this service needs an API key"


def _missing(scope: api_keys.Scope) -> str:
    return f"this API key lacks the scope {scope}; ask the operator of the service for a key that has it"
