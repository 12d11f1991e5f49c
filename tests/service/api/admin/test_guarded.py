"""The checks in front of the admin port, without a port."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2 as httpx
import pytest

from service.access.keyring import Keyring
from service.api.admin.guarded import create_guarded_admin_app
from service.settings import Settings
from service.telemetry.log import ACCESS
from service.telemetry.metrics import Metrics
from tests.support.api_keys import bearer, write_keys
from tests.support.bundles import write_bundle
from tests.support.deployments import LoadableRegistry, registry_of
from tests.support.engines import GatedEngine


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[LoadableRegistry]:
    write_bundle(tmp_path / "models")
    registry = registry_of(tmp_path / "models", GatedEngine(provider="gated", classes=3))
    yield registry
    await registry.close()


def client_of(registry: LoadableRegistry, path: Path, metrics: Metrics, **values: object) -> httpx.AsyncClient:
    settings = Settings.model_validate({"keys": path, "admin_port": 9000} | values)
    app = create_guarded_admin_app(lambda: registry.lifecycle, settings, Keyring(path), metrics.requests)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_every_path_needs_the_scope_admin(registry: LoadableRegistry, tmp_path: Path) -> None:
    """Known or not; the answers are problems with the request's id, and counted."""
    keys = write_keys(tmp_path / "keys", shop="classify,read,metrics", operator="admin")
    metrics = Metrics()
    async with client_of(registry, tmp_path / "keys", metrics) as client:
        for path in ("/models", "/models/load", "/", "/livez", "/nothing"):
            assert (await client.get(path)).status_code == 401
            assert (await client.get(path, headers=bearer(keys["shop"]))).status_code == 403
        answer = await client.get("/models", headers=bearer(keys["operator"]) | {"X-Request-ID": "mine"})
        assert (answer.status_code, answer.headers["x-request-id"]) == (200, "mine")
        wrong = await client.post("/models/load", headers=bearer(keys["operator"]), json={"name": 1})
        assert (wrong.status_code, wrong.json()["request_id"]) == (422, wrong.headers["x-request-id"])
    value = metrics.registry.get_sample_value
    assert value("snellen_unauthenticated_requests_total", {"reason": "missing"}) == 5
    assert value("snellen_key_requests_total", {"key": "shop", "outcome": "forbidden"}) == 5
    assert value("snellen_key_requests_total", {"key": "operator", "outcome": "allowed"}) == 2
    assert value("snellen_problems_total", {"type": "not-permitted"}) == 5


@pytest.mark.parametrize(
    ("values", "statuses"),
    [
        ({}, {"localhost:9000": 200, "127.0.0.1": 200, "photos.example": 421}),
        ({"allowed_hosts": ("photos.example",)}, {"photos.example": 200, "evil.example": 421}),
        ({"admin_host": "0.0.0.0"}, {"photos.example": 200}),
        ({"admin_host": "0.0.0.0", "allowed_hosts": ("photos.example",)}, {"photos.example": 200, "evil.example": 421}),
    ],
)
async def test_names_of_other_hosts_are_not_answered(
    registry: LoadableRegistry, tmp_path: Path, values: dict[str, object], statuses: dict[str, int]
) -> None:
    """On a loopback address never, beyond it where the allowed hosts are set."""
    operator = bearer(write_keys(tmp_path / "keys", operator="admin")["operator"])
    async with client_of(registry, tmp_path / "keys", Metrics(), **values) as client:
        for host, status in statuses.items():
            assert (await client.get("/models", headers=operator | {"Host": host})).status_code == status


async def test_the_access_log_has_the_client_behind_a_trusted_proxy(
    registry: LoadableRegistry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As on the public port."""
    caplog.set_level("INFO")
    operator = bearer(write_keys(tmp_path / "keys", operator="admin")["operator"])
    values = {"trusted_proxies": ("127.0.0.1",), "access_log": True}
    async with client_of(registry, tmp_path / "keys", Metrics(), **values) as client:
        await client.get("/models", headers=operator | {"X-Forwarded-For": "10.1.2.3"})
    (line,) = [record.getMessage() for record in caplog.records if record.name == ACCESS]
    assert line.startswith("GET /models 200 in ")
    assert "key operator, from 10.1.2.3" in line
