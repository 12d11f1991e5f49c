"""Pages of other origins may call the service where the settings name them."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.support.bundles import write_bundle
from tests.support.pictures import picture

SHOP, OTHER = "https://shop.example", "https://other.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-priority,content-type"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    write_bundle(tmp_path)
    with TestClient(create_app(Settings(models=tmp_path, allow_origins=(SHOP,)))) as client:
        while client.get("/readyz").json()["detail"].startswith("loading"):
            time.sleep(0.01)
        yield client


def test_a_preflight_is_answered(client: TestClient) -> None:
    """With the methods and headers of the API."""
    answer = client.options("/v1/classify", headers={"Origin": SHOP} | PREFLIGHT)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, SHOP)
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "Origin" in answer.headers["vary"]
    assert client.options("/v1/classify", headers={"Origin": OTHER} | PREFLIGHT).status_code == 400


@pytest.mark.parametrize(("body", "status"), [(picture(), 200), (b"rubbish", 415)])
def test_answers_and_problems_may_be_read(client: TestClient, body: bytes, status: int) -> None:
    """With the headers that a page needs; cookies are never allowed."""
    answer = client.post("/v1/classify", content=body, headers={"Origin": SHOP})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, SHOP)
    assert answer.headers["access-control-expose-headers"] == "X-Request-ID, Retry-After, Server-Timing, traceresponse"
    assert "access-control-allow-credentials" not in answer.headers
    assert "access-control-allow-origin" not in client.get("/v1/models", headers={"Origin": OTHER}).headers


def test_no_page_may_call_it_by_default(tmp_path: Path) -> None:
    """A preflight is a method that the path does not have."""
    write_bundle(tmp_path)
    with TestClient(create_app(Settings(models=tmp_path))) as client:
        answer = client.options("/v1/classify", headers={"Origin": SHOP} | PREFLIGHT)
        assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (405, False)
