"""Limits of images per second in front of `classify`: what counts, and what a refused client gets."""

import base64
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.access.api_keys import Scope, new_key
from service.access.key_file import line_of
from service.access.rate_limit import RateLimit
from service.app import create_app
from service.settings import Settings
from tests.support.api_keys import bearer
from tests.support.bundles import write_bundle
from tests.support.pictures import GREEN, RED, picture

SLOW = 0.001
"""Images per second, so few that none is added during a test."""
SCOPES = frozenset({Scope.CLASSIFY, Scope.READ, Scope.METRICS})
LIMITS = {"shop": RateLimit(SLOW, 3), "app": RateLimit(SLOW, 100), "default": None, "scraper": None}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("models")).parent.parent


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    made = {name: new_key(name, SCOPES, limit=limit) for name, limit in LIMITS.items()}
    (tmp_path / "keys").write_text("".join(f"{line_of(entry)}\n" for _, entry in made.values()))
    return {name: key for name, (key, _) in made.items()}


@pytest.fixture
def client(models: Path, tmp_path: Path, keys: dict[str, str]) -> Iterator[TestClient]:
    assert keys
    values = Settings(
        models=models, decode_threads=1, keys=tmp_path / "keys", key_rate=SLOW, key_burst=1, access_log=True
    )
    with TestClient(create_app(values)) as client:
        await_ready(client)
        yield client


def await_ready(client: TestClient) -> None:
    while client.get("/readyz").json()["detail"].startswith("loading"):
        time.sleep(0.01)


def images(count: int) -> dict[str, list[str]]:
    return {"images": [base64.b64encode(picture(RED)).decode()] * count}


def test_a_burst_is_answered_and_then_refused(client: TestClient, keys: dict[str, str]) -> None:
    """429 with the seconds after which one image may be sent; the next request on the connection works."""
    headers = bearer(keys["shop"])
    for _ in range(3):
        assert client.post("/v1/classify", content=picture(GREEN), headers=headers).status_code == 200
    refused = client.post("/v1/models/colours/classify", content=picture(GREEN), headers=headers)
    assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
    assert 990 <= int(refused.headers["retry-after"]) <= 1000
    problem = refused.json()
    assert problem["type"] == "/problems/rate-limited"
    assert problem["detail"].startswith("this API key may send 0.001 images per second, and 3 at once after a pause;")
    assert problem["request_id"] == refused.headers["x-request-id"]
    assert client.get("/problems/rate-limited").status_code == 200


def test_each_image_counts(client: TestClient, keys: dict[str, str]) -> None:
    """Of a form and of JSON; a request with more than are left is refused whole, at the price of one image."""
    headers = bearer(keys["app"])
    files = [("image", picture(GREEN))] * 60
    assert client.post("/v1/classify", files=files, headers=headers).status_code == 200
    refused = client.post("/v1/classify", json=images(60), headers=headers)
    assert (refused.status_code, 21_000 >= int(refused.headers["retry-after"]) > 20_900) == (429, True)
    assert client.post("/v1/classify", json=images(39), headers=headers).status_code == 200
    assert client.post("/v1/classify", content=picture(), headers=headers).status_code == 429


def test_a_request_that_is_never_possible_says_what_is(client: TestClient, keys: dict[str, str]) -> None:
    """413 with the largest number, and no seconds, since no wait helps."""
    refused = client.post("/v1/classify", json=images(4), headers=bearer(keys["shop"]))
    assert (refused.status_code, refused.json()["type"]) == (413, "/problems/too-many-images")
    assert "retry-after" not in refused.headers
    detail = "the request holds 4 images, and this API key may send at most 3 at once; send them in several requests"
    assert refused.json()["detail"] == detail


def test_a_key_without_a_limit_has_that_of_the_settings(client: TestClient, keys: dict[str, str]) -> None:
    """Each such key its own; what is not `classify` is never limited."""
    for name in ("default", "scraper"):
        headers = bearer(keys[name])
        answers = [client.post("/v1/classify", content=picture(), headers=headers).status_code for _ in range(2)]
        assert answers == [200, 429]
        for path in ("/metrics", "/v1/models", "/readyz", "/"):
            assert [client.get(path, headers=headers).status_code for _ in range(3)] == [200] * 3


def test_images_that_cannot_be_classified_count_too(client: TestClient, keys: dict[str, str]) -> None:
    """The service has read and decoded them; a request without a valid key counts for none."""
    headers = bearer(keys["shop"])
    for path in ("/v1/classify", "/v1/classify?dense=1", "/v1/models/none/classify"):
        assert client.post(path, content=b"rubbish", headers=headers).status_code in (404, 415, 422)
    assert client.post("/v1/classify", content=picture(), headers=headers).status_code == 429
    assert client.post("/v1/classify", content=picture()).status_code == 401


def test_refusals_are_counted_by_name_and_logged(
    client: TestClient, keys: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """The access log has the type of the problem."""
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            client.post("/v1/classify", content=picture(), headers=bearer(keys["default"]))
    lines = [record.getMessage() for record in caplog.records if "classify 429" in record.getMessage()]
    assert ["rate-limited" in line for line in lines] == [True, True]
    text = client.get("/metrics", headers=bearer(keys["scraper"])).text
    assert 'snellen_rate_limited_requests_total{key="default"} 2.0' in text
    assert 'snellen_problems_total{type="rate-limited"} 2.0' in text


def test_a_changed_limit_holds_without_a_restart(client: TestClient, keys: dict[str, str], tmp_path: Path) -> None:
    """Also for a key that has used up the old one."""
    headers = bearer(keys["shop"])
    while client.post("/v1/classify", content=picture(), headers=headers).status_code == 200:
        pass
    path = tmp_path / "keys"
    path.write_text(path.read_text().replace("rate=0.001 burst=3", "rate=unlimited"))
    end = time.monotonic() + 30
    while client.post("/v1/classify", content=picture(), headers=headers).status_code != 200:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_address_has_a_limit_where_no_keys_are_needed(models: Path) -> None:
    """The one that a trusted proxy names; no address becomes a label."""
    values = Settings(
        models=models, decode_threads=1, address_rate=SLOW, address_burst=2, trusted_proxies=("10.0.0.0/8",)
    )
    app = create_app(values)
    with TestClient(app, client=("10.0.0.1", 4711)) as client:
        await_ready(client)
        for address in ("192.0.2.1", "192.0.2.2", "2001:db8::1"):
            forwarded = {"X-Forwarded-For": address}
            answers = [client.post("/v1/classify", content=picture(), headers=forwarded) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 200, 429]
            assert answers[2].json()["detail"].startswith("this address may send 0.001 images per second, and 2 at")
        same = client.post("/v1/classify", content=picture(), headers={"X-Forwarded-For": "2001:db8::ffff:2"})
        assert same.status_code == 429
        text = client.get("/metrics").text
        assert 'snellen_rate_limited_requests_total{key=""} 4.0' in text
        assert "192.0.2" not in text


def test_without_limits_nothing_is_refused(models: Path) -> None:
    """And no table is made."""
    app = create_app(Settings(models=models, decode_threads=1))
    with TestClient(app) as client:
        await_ready(client)
        answers = {client.post("/v1/classify", content=picture()).status_code for _ in range(50)}
        assert answers == {200}
        assert "snellen_rate_limited_requests_total{" not in client.get("/metrics").text


def test_the_document_has_the_refusal(client: TestClient) -> None:
    """With its header."""
    document = json.loads(client.get("/openapi.json").text)
    refusal = document["paths"]["/v1/classify"]["post"]["responses"]["429"]
    assert set(refusal["headers"]) == {"X-Request-ID", "Retry-After"}
