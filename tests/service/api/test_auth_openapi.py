"""The OpenAPI document says which operations need a key, where the service has keys."""

from pathlib import Path

from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.support.api_keys import write_keys
from tests.support.bundles import write_bundle

OPEN = {"/livez", "/readyz"}


def test_operations_that_need_a_key_say_so(tmp_path: Path) -> None:
    """Either header will do; 401 and 403 are documented with their problems."""
    write_bundle(tmp_path)
    write_keys(tmp_path / "keys", shop="classify")
    client = TestClient(create_app(Settings(models=tmp_path, keys=tmp_path / "keys")))
    document = client.get("/openapi.json").json()
    schemes = document["components"]["securitySchemes"]
    assert schemes["bearer"].items() >= {"type": "http", "scheme": "bearer"}.items()
    assert schemes["api_key"].items() >= {"type": "apiKey", "in": "header", "name": "X-API-Key"}.items()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            needs = path not in OPEN
            assert operation.get("security") == ([{"bearer": []}, {"api_key": []}] if needs else None), path
            assert {"401", "403"} <= operation["responses"].keys() or not needs


def test_a_service_without_keys_describes_none(tmp_path: Path) -> None:
    """A client that is generated there takes no key."""
    write_bundle(tmp_path)
    document = TestClient(create_app(Settings(models=tmp_path))).get("/openapi.json").text
    assert "securitySchemes" not in document
    assert "key-required" not in document
