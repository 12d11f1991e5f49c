"""Every query of the dashboard, asked of a real Prometheus that scrapes a real service."""

import json
import math
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import yaml

from tests.docker.monitoring import ALERTS, DRIFT, PROMETHEUS, ROOT, dashboard_queries, documented_queries, read_yaml
from tests.support.bundles import add_baseline, write_bundle
from tests.support.pictures import RED, picture
from tests.support.server import ServerProcess, running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs prometheus"),
]
PHOTO = ROOT / "models" / "imagenet" / "1" / "golden" / "cat.png"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The shipped model for photos, and one with a baseline."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "imagenet").symlink_to(ROOT / "models" / "imagenet")
    add_baseline(write_bundle(folder, energy_threshold=-5))
    with running(folder, "--default-model", "imagenet") as process:
        yield process


@pytest.fixture(scope="module")
def prometheus(service: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus whose configuration differs from the shipped one in target and intervals only."""
    folder = tmp_path_factory.mktemp("prometheus")
    configuration, drift = folder / "prometheus.yml", folder / "drift.yml"
    drift.write_text(DRIFT.read_text().replace("[6h]", "[2m]").replace("interval: 2m", "interval: 1s"))
    configuration.write_text(yaml.safe_dump(_scraping(service.port, drift)))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={address}"], stderr=log)
        try:
            _load(service.url, f"http://{address}")
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait()


def _scraping(port: int, drift: Path) -> dict[str, Any]:
    configuration = read_yaml(PROMETHEUS)
    configuration["global"]["scrape_interval"] = "1s"
    configuration["rule_files"] = [str(ALERTS), str(drift)]
    (job,) = configuration["scrape_configs"]
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    return configuration


def _load(service: str, prometheus: str) -> None:
    """Requests of every outcome, until Prometheus has seen their rates."""
    photo, files = PHOTO.read_bytes(), [("image", picture(RED))] * 64
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert httpx.post(f"{service}/v1/classify", content=photo).status_code == 200
        assert httpx.post(f"{service}/v1/classify", content=photo[:1000]).status_code == 422
        assert httpx.post(f"{service}/v1/models/colours/classify", files=files).status_code == 200
        if _is_ready(prometheus) and _ask(
            prometheus, "count_over_time(snellen_problems_total[1m]) > 5 and on () model:snellen_psi"
        ):
            return
    pytest.fail("Prometheus did not scrape the service within a minute")


def _is_ready(prometheus: str) -> bool:
    """It listens before it answers queries."""
    try:
        return httpx.get(f"{prometheus}/-/ready").status_code == 200
    except httpx.TransportError:
        return False


def _ask(prometheus: str, query: str) -> list[float]:
    """The values of an instant query. Raises for a query that Prometheus refuses."""
    answer = httpx.get(f"{prometheus}/api/v1/query", params={"query": query})
    content = json.loads(answer.text)
    assert content["status"] == "success", content
    return [float(sample["value"][1]) for sample in content["data"]["result"]]


@pytest.mark.parametrize(("panel", "query"), [*dashboard_queries(), *documented_queries()])
def test_a_query_has_an_answer(prometheus: str, panel: str, query: str) -> None:
    """After requests of every outcome, no panel is empty, and every series that saw something has a number."""
    for variable, value in {"$instance": ".*", "$model": ".*", "$version": ".*", "$__rate_interval": "20s"}.items():
        query = query.replace(variable, value)
    values = _ask(prometheus, query)
    assert any(math.isfinite(value) for value in values), panel


def test_a_healthy_service_raises_no_alarm(prometheus: str) -> None:
    """Nothing fires, and nothing is about to, but for the errors that this test makes on purpose."""
    assert _ask(prometheus, 'ALERTS{alertname=~"SnellenAbsent|SnellenDown|Snellen.*NotReady"}') == []


def test_the_log_of_prometheus_is_clean(prometheus: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No rule failed to evaluate."""
    log = max(Path(tmp_path_factory.getbasetemp()).glob("prometheus*/log"), key=lambda path: path.stat().st_mtime)
    assert "level=error" not in log.read_text()


def test_traffic_of_one_class_is_a_drift(prometheus: str) -> None:
    """Red pictures alone, where half of those of the baseline are; without a baseline there is no index."""
    (index,) = _ask(prometheus, 'max_over_time(model:snellen_psi{model="colours", of="classes"}[1m])')
    shares = zip((1, 0.001, 0.001), (0.5, 0.3, 0.2), strict=True)
    assert index == pytest.approx(sum((live - base) * math.log(live / base) for live, base in shares), rel=0.01)
    assert _ask(prometheus, 'model:snellen_psi{model="imagenet"}') == []
