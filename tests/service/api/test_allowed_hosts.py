"""With `--allowed-hosts`, requests for hosts of other names are refused with a problem."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.support.bundles import write_bundle


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    write_bundle(tmp_path)
    hosts = ("Shop.example", "*.photos.example")
    with TestClient(create_app(Settings(models=tmp_path, allowed_hosts=hosts))) as client:
        yield client


@pytest.mark.parametrize(
    "host",
    [
        *("shop.example", "SHOP.example:8000", "shop.example.", "a.photos.example", "a.b.photos.example:80"),
        *("localhost:8000", "127.0.0.1", "10.1.2.3:8000", "[::1]:8000", "[fe80::1]"),
    ],
)
def test_the_named_hosts_and_addresses_are_answered(client: TestClient, host: str) -> None:
    """Kubernetes and the container's health check ask by IP address, and no name is rebound then."""
    assert client.get("/livez", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.example",
            "photos.example",
            "shop.example.evil.example",
            "evilphotos.example",
            "127.0.0.1.evil.example",
        ),
        *("[::1].evil.example", "[::1]evil.example:80", ""),
    ],
)
@pytest.mark.parametrize("path", ["/livez", "/v1/models", "/nope"])
def test_another_host_gets_a_problem(client: TestClient, host: str, path: str) -> None:
    """421 on every path, with a request id, and counted."""
    answer = client.get(path, headers={"Host": host, "X-Request-ID": "mine"})
    assert (answer.status_code, answer.headers["content-type"]) == (421, "application/problem+json")
    assert "--allowed-hosts" in answer.json()["detail"]
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "mine"
    metrics = client.get("/metrics", headers={"Host": "localhost"}).text
    assert 'snellen_requests_total{route="unmatched",status="421"}' in metrics


@pytest.mark.parametrize("hosts", [(), ("*",)])
def test_every_host_is_answered_by_default_and_with_a_star(tmp_path: Path, hosts: tuple[str, ...]) -> None:
    """Off by default."""
    write_bundle(tmp_path)
    with TestClient(create_app(Settings(models=tmp_path, allowed_hosts=hosts))) as client:
        assert client.get("/livez", headers={"Host": "anything.example"}).status_code == 200


@pytest.mark.parametrize(
    "wrong", ["https://shop.example", "shop.example:8000", "*shop.example", "a b", "shop.example/"]
)
def test_what_is_no_host_name_is_refused_at_start(wrong: str) -> None:
    """The sentence says how to write one."""
    with pytest.raises(ValueError, match="is no host name: write it without scheme and port"):
        Settings(allowed_hosts=(wrong,))
