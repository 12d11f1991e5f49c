"""What a path of the service needs of an API key."""

from typing import NamedTuple

from service.access.api_keys import Scope
from service.errors import Forbidden

_SHOWN_MODELS = 20
"""Limit of the names that the refusal of a model lists."""


class Need(NamedTuple):
    """What a key has to allow.

    scope: None where any valid key will do. model: the one that the path names. default_model: the path means the
    default one.
    """

    scope: Scope | None
    model: str | None = None
    default_model: bool = False


_CLASSIFY = Need(Scope.CLASSIFY, default_model=True)
_READ = Need(Scope.READ)
_METRICS = Need(Scope.METRICS)
_ANY = Need(None)
_OPEN = frozenset({"", "/livez", "/readyz", "/docs", "/openapi.json"})
"""Paths that need no key, without a slash at the end; the empty one is the page."""
_OPEN_FOLDERS = ("/page/", "/problems/", "/static-offline-docs/")
_MODELS = ["", "v1", "models"]


def needed(path: str) -> Need | None:
    """Return what a path needs; None if it needs no key.

    path: decoded, without the prefix of the service. A path that is not listed needs any valid key, so that no
    path is open by mistake.
    """
    path = path.rstrip("/\n")  # routes ignore a slash there, and match before a line end
    if path == "/v1/classify":
        return _CLASSIFY
    if path in _OPEN or path.startswith(_OPEN_FOLDERS):
        return None
    if path == "/metrics":
        return _METRICS
    parts = path.split("/")
    return _of_models(parts) if parts[:3] == _MODELS else _ANY


def _of_models(parts: list[str]) -> Need:
    """Return what a path below /v1/models needs, as in `/v1/models/{model}/versions/{version}/classify`."""
    if len(parts) == 3:
        return _READ
    classifies = parts[-1] == "classify" and len(parts) in (5, 7)  # not a version of the name `classify`
    return Need(Scope.CLASSIFY if classifies else Scope.READ, model=parts[3])


def require_model(model: str, permitted: frozenset[str] | None) -> None:
    """Raise Forbidden where a key may not use a model, whether there is one of that name or not.

    permitted: the names of the models that the key may use, None for all.
    """
    if permitted is not None and model not in permitted:
        raise Forbidden(f"this API key may not use the model {model!r}; it may use {listed(permitted)}")


def listed(models: frozenset[str]) -> str:
    """Return the models that a key may use in words, which is no secret for its client."""
    names = sorted(models)
    return ", ".join(names[:_SHOWN_MODELS]) + ", ..." * (len(names) > _SHOWN_MODELS)
