"""Liveness and readiness, for probes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.api.health import readiness
from service.repository.registry import Registry
from service.telemetry.health import Health
from tests.support.bundles import change_manifest, write_bundle
from tests.support.clients import ready_client
from tests.support.deployments import LoadableRegistry, loadable, registry_of
from tests.support.engines import GatedEngine
from tests.support.pictures import picture


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    """One version, colours/1, that is not loaded yet."""
    write_bundle(tmp_path)
    registry = registry_of(tmp_path, GatedEngine(provider="gated", classes=3))
    yield registry
    await registry.close()


async def test_a_service_is_ready_when_loading_has_ended(registry: LoadableRegistry) -> None:
    """Before that readiness tells that models are being loaded, and their state."""
    before = readiness(registry, Health())
    assert (before.ready, before.detail) == (False, "loading and verifying models")
    assert [model.state for model in before.models] == ["warming"]
    await registry.load()
    after = readiness(registry, Health())
    assert (after.ready, after.detail) == (True, "colours/1 answers on gated")
    assert [model.state for model in after.models] == ["ready"]


async def test_an_error_that_ended_loading_is_named(registry: LoadableRegistry) -> None:
    """The service stays not ready, with the error instead of the progress of loading."""
    state = readiness(registry, Health(failed="loading ended with an error"))
    assert (state.ready, state.detail) == (False, "loading ended with an error")


async def test_a_draining_service_is_not_ready(registry: LoadableRegistry) -> None:
    """A load balancer sends new requests elsewhere, although the models still answer."""
    await registry.load()
    state = readiness(registry, Health(draining=True))
    assert not state.ready
    assert state.detail.startswith("draining")


async def test_reasons_against_readiness_are_listed(registry: LoadableRegistry) -> None:
    """A service with several reasons names all of them, in alphabetical order."""
    await registry.load()
    state = readiness(registry, Health(not_ready_reasons={"no engine process", "a full log"}))
    assert (state.ready, state.detail) == (False, "a full log; no engine process")


async def test_a_frontend_without_engine_processes_is_not_ready(repository: Path) -> None:
    """A service whose models are loaded is not ready until the engine processes are back."""
    health = Health()
    registry = loadable(repository, "plain")
    await registry.load()
    assert readiness(registry, health).ready
    health.not_ready_reasons.add("engines are being started")
    assert not readiness(registry, health).ready
    assert "engines" in readiness(registry, health).detail
    health.not_ready_reasons.clear()
    assert readiness(registry, health).ready
    await registry.close()


async def test_a_degraded_service_is_ready_and_tells_what_is_wrong(registry: LoadableRegistry) -> None:
    """Another process that is being restarted does not stop requests from being sent here."""
    await registry.load()
    state = readiness(registry, Health(degraded="1 of 2 frontends"))
    assert (state.ready, state.detail) == (True, "colours/1 answers on gated; 1 of 2 frontends")


def test_liveness_and_readiness_answer_get_and_head(client: TestClient) -> None:
    """Readiness names the default version and its provider; HEAD has the status of GET."""
    assert client.get("/livez").json() == {"live": True}
    assert client.get("/readyz").json()["detail"] == "colours/2 answers on cpu"
    assert [client.head(path).status_code for path in ("/livez", "/readyz")] == [200, 200]


def test_a_rejected_version_has_a_reason_and_the_others_answer(tmp_path: Path) -> None:
    """A version with a damaged file is not ready; the list, the answer and the metrics tell it."""
    write_bundle(tmp_path, "colours", 1)
    damaged = write_bundle(tmp_path, "colours", 2)
    (damaged / "model.onnx").write_bytes(b"junk")
    with ready_client(tmp_path) as client:
        assert client.post("/v1/classify", content=picture()).json()["version"] == "1"
        refused = client.post("/v1/models/colours/versions/2/classify", content=picture())
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/not-ready")
        assert "sha256" in refused.json()["detail"]
        assert refused.headers["retry-after"] == "60"
        assert "sha256" in client.get("/v1/models").json()["models"][1]["reason"]
        ready = 'snellen_model_ready{model="colours",provider="none",version="2"} 0.0'
        assert ready in client.get("/metrics").text


def test_a_rejected_default_model_is_not_ready_and_the_process_is_live(tmp_path: Path) -> None:
    """Readiness is 503 with the reason, and liveness is 200, so that the process is not restarted."""
    (write_bundle(tmp_path, "colours", 1) / "golden/red.png").write_bytes(b"junk")
    with ready_client(tmp_path) as client:
        readiness = client.get("/readyz")
        assert readiness.status_code == 503
        assert "red.png differs" in readiness.json()["detail"]
        assert client.get("/livez").status_code == 200


async def test_a_newer_version_that_does_not_serve_is_named(tmp_path: Path) -> None:
    """The older one answers; readiness tells why the newer ones do not."""
    write_bundle(tmp_path)
    change_manifest(write_bundle(tmp_path, version=2), labels=[])
    (write_bundle(tmp_path, version=3) / "golden/red.png").unlink()
    registry = loadable(tmp_path)
    await registry.load()
    state = readiness(registry, Health())
    assert state.ready
    assert "colours/1 answers on cpu; colours/3 was refused at load: golden/red.png is missing" in state.detail
    assert "colours/2 was passed over: manifest.json: labels" in state.detail
    await registry.close()


async def test_a_service_whose_default_model_is_broken_is_not_ready(tmp_path: Path) -> None:
    """Although another model could answer."""
    write_bundle(tmp_path)
    change_manifest(write_bundle(tmp_path, "imagenet"), labels=[])
    registry = loadable(tmp_path)
    await registry.load()
    state = readiness(registry, Health())
    assert not state.ready
    assert state.detail.startswith("the default model cannot answer: no version of imagenet can be read: imagenet/1")
    await registry.close()


async def test_a_service_without_a_default_model_is_ready(tmp_path: Path) -> None:
    """Clients name the model."""
    write_bundle(tmp_path)
    write_bundle(tmp_path, "shades")
    registry = loadable(tmp_path)
    await registry.load()
    state = readiness(registry, Health())
    assert (state.ready, state.detail) == (True, "no model is the default; by name colours, shades can answer")
    await registry.close()
