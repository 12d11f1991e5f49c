"""A replica without a cluster: its settings, its health, and what is left to Ray."""

from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from starlette.responses import PlainTextResponse

from service.settings import Settings
from snellen.on_ray.application import OF_RAY, Arguments, BehindProxies, Replica, application, settings_on
from tests.support.bundles import write_bundle


def test_a_replica_uses_the_cores_that_are_reserved_for_it() -> None:
    """And not those of the machine, which other replicas have."""
    settings = settings_on(3, {})
    assert (settings.concurrency, settings.threads_per_batch) == (3, 1)
    assert (settings.decode_threads, settings.single_image_threads) == (3, 3)
    assert settings_on(3, {"decode_threads": 1, "max_images": 9}).decode_threads == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"modells": "/data"}, "args.settings: modells is no setting; did you mean models?"),
        ({"max-queue": 3}, "max-queue is no setting; did you mean max_queue?"),
        ({"xyz": 3}, "xyz is no setting; docs/settings.md lists them, written here with _ for -"),
        ({"max_images": 0}, r"args.settings: --max-images \(SNELLEN_MAX_IMAGES\) takes a whole number from 1"),
        ({"log_level": "debug"}, "log_level has no effect on Ray Serve"),
        ({"access_log": True}, "access_log has no effect on Ray Serve"),
        ({"max_connections": 5}, "max_connections has no effect on Ray Serve"),
        ({"frontends": 2}, "frontends has no effect on Ray Serve"),
        ({"port": 8001}, "port has no effect on Ray Serve"),
        ({"tls_key": "key.pem"}, "tls_key has no effect"),
    ],
)
def test_settings_that_would_be_ignored_are_refused(given: dict[str, Any], message: str) -> None:
    """When the application is built, so that `serve deploy` shows the sentence."""
    with pytest.raises(ValueError, match=message):
        application({"settings": given})


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"setings": {}}, "^args.setings is not known: there are settings and startup_s$"),
        ({"startup_s": "soon"}, "^args.startup_s: settings is a map such as {max_queue: 64}, startup_s a number"),
        ({"settings": None}, "^args.settings: settings is a map"),
    ],
)
def test_args_that_are_none_are_refused(args: dict[str, Any], message: str) -> None:
    """In a sentence, not as pydantic lists them."""
    with pytest.raises(ValueError, match=message):
        application(args)


def test_all_settings_of_ray_exist() -> None:
    """They are named by hand in part."""
    assert Settings.model_fields.keys() >= OF_RAY
    assert not OF_RAY & {"models", "keys", "max_queue", "root_path", "trusted_proxies"}


async def test_the_request_id_is_left_to_the_proxy() -> None:
    """Other headers stay."""
    inner = PlainTextResponse("answer", headers={"X-Request-ID": "a", "Server-Timing": "total;dur=1"})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(BehindProxies(inner)), base_url="http://test") as client:
        answer = await client.get("/")
    assert "x-request-id" not in answer.headers
    assert answer.headers["server-timing"] == "total;dur=1"


async def test_a_replica_is_healthy_when_its_models_are_loaded(tmp_path: Path) -> None:
    """The first check waits for them; later ones do not wait."""
    write_bundle(tmp_path)
    replica = replica_of({"models": tmp_path, "tune_s": 0})
    app = replica.__serve_build_asgi_app__()
    async with app.router.lifespan_context(app):
        await replica.check_health()
        replica._health.draining = True
        with pytest.raises(RuntimeError, match="draining"):
            await replica.check_health()
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get("/metrics")).status_code == 404
            assert (await client.get("/livez")).status_code == 200


async def test_a_replica_that_cannot_load_says_why(tmp_path: Path) -> None:
    """Without waiting for startup_s."""
    (write_bundle(tmp_path) / "model.onnx").write_bytes(b"damaged")
    replica = replica_of({"models": tmp_path, "tune_s": 0})
    app = replica.__serve_build_asgi_app__()
    async with app.router.lifespan_context(app):
        with pytest.raises(RuntimeError, match=r"colours/1"):
            await replica.check_health()


def replica_of(settings: dict[str, Any]) -> Replica:
    return Replica(Arguments(settings=settings, startup_s=30), cores=1)
