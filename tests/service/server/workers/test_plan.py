"""How many processes, and what each of them may take."""

import json
from pathlib import Path

import pytest

from service.server.workers import plan
from service.server.workers.plan import LARGE_BYTES, ProcessPlan, frontend_settings, plan_processes
from service.settings import Settings
from tests.support.bundles import change_manifest, write_bundle


def settings(**values: object) -> Settings:
    return Settings.model_validate(values)


def test_one_front_without_engines_is_one_process() -> None:
    """And nobody supervises it; what the settings leave open is chosen."""
    assert plan_processes(settings(frontends=1)).one_process
    assert plan_processes(settings()) == plan_processes(settings(frontends=0))


@pytest.mark.parametrize(("cores", "frontends"), [(1, 1), (2, 2), (64, 4)])
def test_without_a_device_fronts_run_the_networks_themselves(
    monkeypatch: pytest.MonkeyPatch, cores: int, frontends: int
) -> None:
    """Measured: docs/decisions/frontends-and-engines.md."""
    monkeypatch.setattr(plan, "devices", list)
    monkeypatch.setattr(plan, "usable_cores", lambda: cores)
    assert plan_processes(settings(frontends=0)) == ProcessPlan(frontends, 0)


@pytest.mark.parametrize(("cores", "devices", "expected"), [(16, 1, (15, 1)), (16, 2, (14, 2)), (2, 1, (2, 0))])
def test_each_device_gets_an_engine_and_the_other_cores_a_front(
    monkeypatch: pytest.MonkeyPatch, cores: int, devices: int, expected: tuple[int, int]
) -> None:
    """Where there are cores enough, and no providers are named."""
    monkeypatch.delenv("SNELLEN_PROVIDERS")
    monkeypatch.setattr(plan, "devices", lambda: [str(number) for number in range(devices)])
    monkeypatch.setattr(plan, "usable_cores", lambda: cores)
    assert plan_processes(settings(frontends=0)) == ProcessPlan(*expected)


@pytest.mark.parametrize(("file_bytes", "frontends"), [(LARGE_BYTES, 2), (LARGE_BYTES + 1, 1)])
def test_one_frontend_serves_large_networks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file_bytes: int, frontends: int
) -> None:
    """A bundle with a file above the bound is held in one process, unless the settings say otherwise."""
    monkeypatch.setattr(plan, "devices", list)
    monkeypatch.setattr(plan, "usable_cores", lambda: 2)
    bundle = write_bundle(tmp_path)
    files = json.loads((bundle / "manifest.json").read_text())["files"]
    change_manifest(bundle, files=[file | {"bytes": file_bytes} for file in files])
    (tmp_path / "broken/1").mkdir(parents=True)
    (tmp_path / "broken/1/manifest.json").write_text("{}")
    assert plan_processes(settings(models=tmp_path)) == ProcessPlan(frontends, 0)
    assert plan_processes(settings(models=tmp_path, frontends=4)) == ProcessPlan(4, 0)


def test_an_engine_sees_only_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that the service may see itself."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    engines = ProcessPlan(2, 3).engines(settings())
    assert [engine.environment.get("CUDA_VISIBLE_DEVICES") for engine in engines] == ["4", "7", None]


def test_frontends_share_the_limits_of_the_service() -> None:
    """Rounded up, and never below what one request may need."""
    share = frontend_settings(settings(max_queue=256, max_connections=1000, max_images=64, decode_threads=1), 3, 1)
    assert (share.max_queue, share.max_connections, share.decode_threads) == (86, 334, 1)
    assert frontend_settings(settings(max_queue=256, max_images=64), 16, 1).max_queue == 64
    assert frontend_settings(settings(max_queue=8, max_images=64), 16, 1).max_queue == 8
    assert frontend_settings(settings(max_body_bytes=32, max_inflight_bytes=64), 8, 1).max_inflight_bytes == 32


@pytest.mark.parametrize(("visible", "expected"), [("", []), ("-1", []), ("4, 7", ["4", "7"]), ("2,-1,3", ["2"])])
def test_devices_are_those_that_cuda_would_see(
    monkeypatch: pytest.MonkeyPatch, visible: str, expected: list[str]
) -> None:
    """An empty variable hides all of them."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert plan.devices() == expected
