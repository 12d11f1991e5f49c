"""The application is one like any other: it can be mounted, served below a prefix, and given middleware."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.testclient import TestClient

from service.api.trusted_proxies import TrustedProxiesMiddleware
from service.app import ProcessContext, create_app
from service.engine.profile import Profile
from service.repository.version import ModelVersion
from service.settings import Settings
from tests.support.bundles import write_bundle
from tests.support.pictures import GREEN, picture


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    write_bundle(tmp_path)
    return Settings(models=tmp_path, decode_threads=1)


def await_ready(client: TestClient, prefix: str = "") -> None:
    while client.get(f"{prefix}/readyz").json()["detail"].startswith("loading"):
        time.sleep(0.01)


def label(client: TestClient, prefix: str = "") -> str:
    answer = client.post(f"{prefix}/v1/classify", content=picture(GREEN))
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["results"][0]["predictions"][0]["label"]
    return found


def test_it_can_be_mounted_in_another_application(settings: Settings) -> None:
    """Which does not run its lifespan: models are loaded from the first request on."""
    parent = FastAPI()
    parent.mount("/vision", create_app(settings))
    with TestClient(parent) as client:
        await_ready(client, "/vision")
        assert label(client, "/vision") == "green"
        assert client.post("/vision/v1/models/colours/versions/1/classify", content=picture()).status_code == 200
        refused = client.post("/vision/v1/classify", content=b"rubbish")
        assert (refused.status_code, refused.json()["type"]) == (415, "/vision/problems/unsupported-format")
        assert client.get(refused.json()["type"]).status_code == 200
        assert client.post("/v1/classify", content=picture()).status_code == 404


def test_metrics_of_a_mounted_application_name_the_route(settings: Settings) -> None:
    """Without the prefix, so that dashboards stay the same."""
    parent = FastAPI()
    parent.mount("/vision", create_app(settings))
    with TestClient(parent) as client:
        await_ready(client, "/vision")
        label(client, "/vision")
        assert 'snellen_requests_total{route="/v1/classify",status="200"} 1.0' in client.get("/vision/metrics").text


@pytest.mark.parametrize("how", ["mounted", "uvicorn --root-path", "--root-path"])
def test_page_and_docs_load_their_files_below_a_prefix(settings: Settings, how: str) -> None:
    """Mounted in another application, or served with a root path."""
    prefix = "/vision"
    match how:
        case "mounted":
            parent = FastAPI()
            parent.mount(prefix, create_app(settings))
            client = TestClient(parent)
        case "uvicorn --root-path":
            client = TestClient(create_app(settings), root_path=prefix)
        case _:
            client = TestClient(create_app(settings.model_copy(update={"root_path": prefix})))
    with client:
        await_ready(client, prefix)
        page = client.get(f"{prefix}/")
        names = re.findall(r'(?:href|src)="(page/[^"]+)"', page.text)
        assert len(names) >= 3
        assert [client.get(f"{prefix}/{name}").status_code for name in names] == [200] * len(names)
        docs = client.get(f"{prefix}/docs").text
        files = re.findall(r'(?:href|src|url)[=:] ?[\'"](/[^\'"]+)[\'"]', docs)
        assert len(files) >= 3
        for file in files:
            assert file.startswith("/vision/")
            assert client.get(file).status_code == 200, file


def test_middleware_sees_every_request(settings: Settings) -> None:
    """Also those to classify."""
    app = create_app(settings)
    app.add_middleware(CORSMiddleware, allow_origins=["https://example.org"])
    with TestClient(app) as client:
        await_ready(client)
        answer = client.post("/v1/classify", content=picture(), headers={"Origin": "https://example.org"})
        assert answer.headers["access-control-allow-origin"] == "https://example.org"
        assert answer.headers["x-request-id"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_classify_takes_a_post(settings: Settings, method: str) -> None:
    """And says so."""
    with TestClient(create_app(settings)) as client:
        answer = client.request(method, "/v1/classify")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


class _BrokenLoader:
    """A loader with an error that is no property of a bundle."""

    async def load(self, _version: ModelVersion, _profile: Profile | None) -> None:
        raise MemoryError

    async def unload(self, _version: ModelVersion) -> None:
        """Not reached."""

    async def after_all_loaded(self) -> None:
        """Not reached."""


def test_readyz_names_the_error_that_ended_loading(settings: Settings) -> None:
    """It does not report that models are being loaded, as nothing loads them any more."""
    with TestClient(create_app(settings, context=ProcessContext(loader=_BrokenLoader()))) as client:
        await_ready(client)
        readiness = client.get("/readyz")
        assert readiness.status_code == 503
        assert readiness.json()["detail"] == "the service cannot become ready: MemoryError; the log has the cause"


def test_an_application_whose_versions_are_all_refused_leaves_its_server_running(tmp_path: Path) -> None:
    """Readiness gives the reason, and liveness is not affected: only a server of this project ends."""
    (write_bundle(tmp_path) / "golden/blue.png").write_bytes(picture(GREEN))
    with TestClient(create_app(Settings(models=tmp_path))) as client:
        await_ready(client)
        readiness = client.get("/readyz")
        assert (readiness.status_code, client.get("/livez").status_code) == (503, 200)
        assert "colours/1 was refused at load: golden/blue.png differs" in readiness.json()["detail"]


def test_trusted_proxies_are_believed_before_anything_else(settings: Settings) -> None:
    """The outermost middleware, so that all others know the client; without the setting there is none."""

    def middleware(**changed: tuple[str, ...]) -> list[Any]:
        return [each.cls for each in create_app(settings.model_copy(update=changed)).user_middleware]

    assert middleware(trusted_proxies=("10.0.0.0/8",), allow_origins=("*",))[0] is TrustedProxiesMiddleware
    assert TrustedProxiesMiddleware not in middleware(allow_origins=("*",))
