"""The OpenAPI document of a service with API keys: the two headers, and which operations need one of them."""

from typing import Any

from fastapi import FastAPI

from service.api.permissions import needed
from service.api.v1.openapi import problems

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an API key: `Authorization: Bearer snl_...`"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the same key in a header"},
}
_EITHER: list[dict[str, list[str]]] = [{name: []} for name in _SCHEMES]


def document_keys(app: FastAPI) -> None:
    """Describe the keys in the document of `app`, so that generated clients and the page /docs can send one.

    A service without keys has no such description: a client that is generated there takes no key, and needs none.
    """
    without = app.openapi

    def with_keys() -> dict[str, Any]:
        if app.openapi_schema is None:
            _describe(without())
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = with_keys  # type: ignore[method-assign]


def _describe(document: dict[str, Any]) -> None:
    document["components"]["securitySchemes"] = _SCHEMES
    refusals = {str(status): response for status, response in problems(401, 403).items()}
    for path, operations in document["paths"].items():
        if needed(path) is not None:
            for operation in operations.values():
                operation["security"] = _EITHER
                operation["responses"] = dict(sorted((operation["responses"] | refusals).items()))
