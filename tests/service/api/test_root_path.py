"""Below a prefix, whether the proxy takes it away or passes it on: every address in an answer begins with it."""

import time
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import _OWN_PATHS, Settings
from tests.support.bundles import write_bundle
from tests.support.pictures import picture

PREFIX = "/shop/vision"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    models = tmp_path_factory.mktemp("models")
    write_bundle(models)
    with TestClient(create_app(Settings(models=models, decode_threads=1, root_path=PREFIX))) as client:
        while client.get("/readyz").status_code != 200:
            time.sleep(0.01)
        yield client


@pytest.fixture(params=["", PREFIX], ids=["stripped", "passed on"])
def sent(request: pytest.FixtureRequest) -> str:
    """What comes before the path when a request reaches the service."""
    found: str = request.param
    return found


def test_images_are_classified(client: TestClient, sent: str) -> None:
    """At all three paths, and with a slash at the end."""
    for path in ("/v1/classify", "/v1/models/colours/classify", "/v1/models/colours/versions/1/classify/"):
        assert client.post(f"{sent}{path}", content=picture()).status_code == 200


def test_the_type_of_a_problem_is_its_page(client: TestClient, sent: str) -> None:
    """As the client of the proxy sees it; also in a result of several images."""
    refused = client.post(f"{sent}/v1/classify", content=b"rubbish").json()
    assert refused["type"] == f"{PREFIX}/problems/unsupported-format"
    several = [("image", ("a.png", picture())), ("image", ("b.png", b"rubbish"))]
    results = client.post(f"{sent}/v1/classify", files=several).json()["results"]
    assert results[1]["error"]["type"] == refused["type"]
    page = client.get(refused["type"])
    assert page.status_code == 200
    assert refused["type"] in page.text
    assert f"{PREFIX}/docs" in client.get(f"{sent}/nowhere").json()["detail"]


def test_the_api_description_names_the_prefix(client: TestClient, sent: str) -> None:
    """So that clients made from it, and /docs, send requests there."""
    assert client.get(f"{sent}/openapi.json").json()["servers"] == [{"url": PREFIX}]
    assert f"url: '{PREFIX}/openapi.json'" in client.get(f"{sent}/docs").text


def test_metrics_name_routes_without_the_prefix(client: TestClient, sent: str) -> None:
    """So that dashboards stay the same."""
    client.post(f"{sent}/v1/classify", content=b"")
    text = client.get(f"{sent}/metrics").text
    assert 'route="/v1/classify",status="400"' in text
    assert 'type="empty-body"' in text
    assert f'"{PREFIX}' not in text


def test_the_prefix_alone_leads_to_the_page(client: TestClient) -> None:
    """With a slash, to which the page's links are relative; other paths that begin like the prefix are not it."""
    assert client.get(PREFIX, follow_redirects=False).headers["location"] == f"{PREFIX}/"
    assert client.get(PREFIX).headers["content-type"].startswith("text/html")
    assert client.get(f"{PREFIX}uum/readyz").status_code == 404
    assert client.get(f"{PREFIX}{PREFIX}/readyz").status_code == 404


@pytest.mark.parametrize(
    ("root_path", "reason"),
    [
        ("vision", "no path prefix"),
        ("https://example.com/vision", "no path prefix"),
        ("/a b", "no path prefix"),
        ("/a//b", "no path prefix"),
        ("/../etc", "no path prefix"),
        ("/v1", "/v1 is a path of the service itself"),
        ("/docs/snellen", "/docs is a path of the service itself"),
    ],
)
def test_a_prefix_that_cannot_work_is_refused(root_path: str, reason: str) -> None:
    """With what to write instead."""
    with pytest.raises(ValueError, match=reason):
        Settings(root_path=root_path)


def test_no_path_of_the_service_can_be_the_prefix() -> None:
    """The first segments of all paths are refused: those of the API description, and those that it leaves out."""
    app = create_app(Settings())
    undocumented = [getattr(route, "path", "/problems") for route in app.routes]
    firsts = {path.split("/")[1] for path in (*app.openapi()["paths"], *undocumented)} - {""}
    assert firsts == set(_OWN_PATHS)


def test_a_slash_at_the_end_makes_no_difference() -> None:
    """`/` alone is no prefix."""
    assert Settings(root_path="/vision/").root_path == "/vision"
    assert Settings(root_path="/").root_path == ""
