"""schemathesis against the OpenAPI document and a real process: what the document says is what the service does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.support.api_keys import bearer, write_keys
from tests.support.bundles import write_bundle
from tests.support.server import ServerProcess, running


def no_internal_error(_context: object, response: schemathesis.Response, _case: object) -> None:
    """503 and 504 are answers of their own here: busy, and a deadline of a millisecond."""
    assert response.status_code not in (500, 501, 502)


CHECKS = [
    no_internal_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]
OPERATIONS = [
    ("POST", "/v1/classify"),
    ("POST", "/v1/models/{model}/classify"),
    ("POST", "/v1/models/{model}/versions/{version}/classify"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model}"),
    ("GET", "/v1/models/{model}/versions/{version}"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    models: Path = tmp_path_factory.mktemp("models")
    write_bundle(models, "imagenet")  # the name in the document's examples
    with running(models) as server:
        yield server


@pytest.fixture(scope="module")
def schema(process: ServerProcess) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{process.url}/openapi.json")


def test_every_operation_is_tried(schema: schemathesis.BaseSchema) -> None:
    """The list above is the document's."""
    document = schema.raw_schema["paths"]
    assert {(method.upper(), path) for path, methods in document.items() for method in methods} == set(OPERATIONS)


def test_operations_have_short_names(schema: schemathesis.BaseSchema) -> None:
    """Generated clients call their functions by them, so that they stay as they are."""
    document = schema.raw_schema["paths"]
    assert {operation["operationId"] for methods in document.values() for operation in methods.values()} == {
        *("classify", "classify_with_model", "classify_with_version"),
        *("list_models", "get_model", "get_model_version"),
        *("livez", "readyz", "metrics"),
    }


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_document_is_true(schema: schemathesis.BaseSchema, method: str, path: str) -> None:
    """Statuses, media types, headers and bodies are those documented, for any input; never a 500."""

    @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=schema[path][method].as_strategy())
    def conforms(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=CHECKS)

    conforms()


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, str]]:
    """A service with keys, and a key for everything."""
    folder = tmp_path_factory.mktemp("keyed")
    write_bundle(folder / "models", "imagenet")
    key = write_keys(folder / "keys", all="classify,read,metrics")["all"]
    with running(folder / "models", "--keys", str(folder / "keys")) as server:
        yield server, key


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_document_is_true_of_a_service_with_keys(keyed: tuple[ServerProcess, str], method: str, path: str) -> None:
    """The same with a key; and every operation that the document protects refuses requests without it."""
    server, key = keyed
    protected = schemathesis.openapi.from_url(f"{server.url}/openapi.json")

    @settings(max_examples=5, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=protected[path][method].as_strategy())
    def conforms(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=[*CHECKS, ignored_auth], headers=bearer(key))

    conforms()
