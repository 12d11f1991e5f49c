"""The whole service on OpenVINO, as real processes beside one on ONNX Runtime."""

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
SHAPES = [("--frontends", "1"), ("--frontends", "1", "--engines", "1")]


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
def test_all_requests_have_the_answers_of_onnxruntime(tmp_path: Path, shape: tuple[str, ...]) -> None:
    """Alone, as bulk, with heat map, of any size, of another version, and of one that was loaded later."""
    models, socket = tmp_path / "models", str(tmp_path / "admin.sock")
    write_bundle(models, version=1)
    write_bundle(models, version=2, matmuls=1)
    write_dense_bundle(models)
    flags = ("--default-model", "dense", *shape)
    openvino = ("--providers", "openvino", "--admin-socket", socket)
    with running(models, *flags, *openvino) as ours, running(models, *flags, "--providers", "cpu") as theirs:
        one = "/v1/models/colours/versions/1/classify"
        for path in ("/v1/classify", "/v1/classify?explain=heatmap", "/v1/classify?dense=1", one):
            for headers in ({}, {"X-Priority": "bulk"}):
                expected = numbers(answer(theirs, path, **headers))
                assert numbers(answer(ours, path, **headers)) == pytest.approx(expected, abs=1e-4)
        assert httpx.get(f"{ours.url}/v1/models/colours").json()["engine"]["provider"] == "openvino"
        admin = find_service(Path(socket), None)
        admin.change("unload", {"name": "colours/1"})
        assert httpx.post(ours.url + one, content=picture(GREEN)).status_code == 404
        load(ours, admin, "colours/1")
        assert numbers(answer(ours, one)) == pytest.approx(numbers(answer(theirs, one)), abs=1e-4)
