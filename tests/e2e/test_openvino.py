"""The whole service on OpenVINO, as real processes beside one on ONNX Runtime."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from snellen.admin_client import AdminClient, find_service
from tests.support.bundles import write_bundle
from tests.support.dense import write_dense_bundle
from tests.support.libraries import needs_openvino
from tests.support.pictures import GREEN, picture
from tests.support.processes import hurry_checks, until
from tests.support.server import ServerProcess, running

pytestmark = [needs_openvino, pytest.mark.timeout(600)]
FLAGS = ("--default-model", "dense")
SHAPES = [("--frontends", "1"), ("--frontends", "1", "--engines", "1")]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions whose answers differ, and a bundle for images of any size."""
    folder = tmp_path_factory.mktemp("models")
    write_bundle(folder, version=1)
    write_bundle(folder, version=2, temperature=2)
    write_dense_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def theirs(models: Path) -> Iterator[ServerProcess]:
    """The service on ONNX Runtime, with whose answers those of both shapes on OpenVINO are compared."""
    with running(models, *FLAGS, *SHAPES[0], "--providers", "cpu") as server:
        yield server


def answer(server: ServerProcess, path: str, **headers: str) -> Any:
    got = httpx.post(server.url + path, content=picture(GREEN), headers=headers, timeout=60)
    assert got.status_code == 200, got.text
    return got.json()


def numbers(value: Any) -> list[float]:
    """Return all numbers of a JSON document in their order."""
    if isinstance(value, dict | list):
        return [each for part in (value.values() if isinstance(value, dict) else value) for each in numbers(part)]
    return [float(value)] if isinstance(value, int | float) else []


def load(server: ServerProcess, admin: AdminClient, name: str) -> None:
    """Load a version, with a check of ordinary priority: the machine may be busy."""

    def loaded() -> bool:
        hurry_checks(server)
        return change.done()

    with ThreadPoolExecutor(1) as pool:
        change = pool.submit(admin.change, "load", {"name": name})
        until(loaded, server, 240)
        change.result()


@pytest.mark.parametrize("shape", SHAPES)
def test_all_requests_have_the_answers_of_onnxruntime(
    models: Path, theirs: ServerProcess, tmp_path: Path, shape: tuple[str, ...]
) -> None:
    """Alone, as bulk, with heat map, of any size, of two versions, and of one that was loaded later."""
    socket = str(tmp_path / "admin.sock")
    with running(models, *FLAGS, *shape, "--providers", "openvino", "--admin-socket", socket) as ours:
        one, two = (f"/v1/models/colours/versions/{number}/classify" for number in (1, 2))
        for path in ("/v1/classify", "/v1/classify?explain=heatmap", "/v1/classify?dense=1", one, two):
            for headers in ({}, {"X-Priority": "bulk"}):
                expected = numbers(answer(theirs, path, **headers))
                assert numbers(answer(ours, path, **headers)) == pytest.approx(expected, abs=1e-4)
        assert httpx.get(f"{ours.url}/v1/models/colours").json()["engine"]["provider"] == "openvino"
        admin = find_service(Path(socket), None)
        admin.change("unload", {"name": "colours/1"})
        assert httpx.post(ours.url + one, content=picture(GREEN)).status_code == 404
        load(ours, admin, "colours/1")
        assert numbers(answer(ours, one)) == pytest.approx(numbers(answer(theirs, one)), abs=1e-4)
