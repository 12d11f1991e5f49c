"""deploy/ray/serve.yaml on clusters of Ray on this machine: replicas, nodes and models come and go under load."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import yaml
from ray.cluster_utils import Cluster
from ray.serve.schema import ServeDeploySchema

from snellen.on_ray.application import Arguments
from tests.conftest import ROOT
from tests.support.bundles import write_bundle
from tests.support.pictures import picture
from tests.support.proxies import free_port
from tests.support.steady_load import SteadyLoad

FILE = ROOT / "deploy" / "ray" / "serve.yaml"
SERVE = Path(sys.executable).with_name("serve")
PROXY = {"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "snellen.on_ray.proxy:middleware"}
LIMIT_S = 180


def configuration() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return found


def test_the_file_is_one_of_ray_serve() -> None:
    """By Ray's own schema, and by that of the arguments; it listens for this machine only."""
    checked = ServeDeploySchema.model_validate(configuration())
    assert checked.http_options.host == "127.0.0.1"
    (application,) = checked.applications
    Arguments.model_validate(application.args)


class Load(SteadyLoad):
    """Clients that ask once more after 503 or a connection that was closed; `failed` has what did not help then."""

    def __init__(self, address: str, clients: int) -> None:
        super().__init__(address, "/v1/classify", clients)
        self._url = f"{address}/v1/classify"
        self._lock = threading.Lock()
        self.first: Counter[str] = Counter()
        """What came back first: the version that answered, the status of a refusal, or `closed`."""

    def _ask(self) -> None:
        body = picture()
        with httpx.Client(timeout=60) as client:
            while not self._ended.is_set():
                answer = self._post(client, body)
                with self._lock:
                    self.first[answer] += 1
                if answer.startswith("version"):
                    continue
                time.sleep(1)
                again = self._post(client, body) if answer in {"503", "closed"} else answer
                if not again.startswith("version"):
                    with self._lock:
                        self.failed.append(f"{answer}, then {again}")

    def _post(self, client: httpx.Client, body: bytes) -> str:
        try:
            response = client.post(self._url, content=body)
        except httpx.TransportError:
            return "closed"
        return f"version {response.json()['version']}" if response.status_code == 200 else str(response.status_code)


class Deployed:
    """A cluster of three nodes with one core each, and what is deployed on it."""

    def __init__(self, folder: Path) -> None:
        self._dashboard = f"http://127.0.0.1:{(port := free_port())}"
        self.cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": True, "dashboard_port": port}
        )
        self.nodes = [self.cluster.add_node(num_cpus=1) for _ in range(2)]
        self.configuration = configuration()
        self.configuration["http_options"]["port"] = http = free_port()
        self.address = f"http://127.0.0.1:{http}"
        self._file = folder / "serve.yaml"

    def deploy(self, models: Path) -> None:
        """Run `serve deploy`, with shorter delays of the autoscaling than a real cluster has."""
        application = self.configuration["applications"][0]
        application["args"]["settings"] = {"models": str(models), "tune_s": 0}
        deployment = application["deployments"][0]
        deployment["ray_actor_options"]["num_cpus"] = 1
        deployment["autoscaling_config"] |= {
            "max_replicas": 3, "target_ongoing_requests": 2, "upscale_delay_s": 1, "downscale_delay_s": 4
        }  # fmt: skip
        deployment["health_check_period_s"] = 1
        self._file.write_text(yaml.safe_dump(self.configuration))
        subprocess.run([SERVE, "deploy", self._file, "-a", self._dashboard], check=True, capture_output=True)

    def wait(self, met: Callable[[str, Counter[str]], bool]) -> None:
        """Wait until the status of the application and the states of its replicas meet a condition."""
        seen: object = None
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            try:
                found = (
                    httpx.get(f"{self._dashboard}/api/serve/applications/").json()["applications"].get("snellen", {})
                )
            except (httpx.TransportError, KeyError) as error:
                seen = error
            else:
                replicas = found.get("deployments", {}).get("Snellen", {}).get("replicas", [])
                states = Counter(each["state"] for each in replicas)
                if met(found.get("status", ""), states):
                    return
                seen = found
            time.sleep(0.25)
        pytest.fail(f"not within {LIMIT_S} s: {seen}")


def running(count: int) -> Callable[[str, Counter[str]], bool]:
    """As many replicas run, and no other ones are about to start or to end."""
    return lambda _status, states: states == Counter(RUNNING=count)


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    for name, value in (PROXY | {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}).items():
        monkeypatch.setenv(name, value)
    before = signal.getsignal(signal.SIGTERM)
    made = Deployed(tmp_path)
    yield made
    made.cluster.shutdown()  # type: ignore[no-untyped-call]
    signal.signal(signal.SIGTERM, before)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_request_is_lost_while_replicas_nodes_and_models_change(deployed: Deployed, tmp_path: Path) -> None:
    """From one replica to three and back; then a node is killed, one joins, and another version is deployed.

    `pytest -s` shows what came back at first.
    """
    for version in (1, 2):
        write_bundle(tmp_path / f"models-{version}", version=version)
    deployed.deploy(tmp_path / "models-1")
    deployed.wait(lambda status, _states: status == "RUNNING")
    with Load(deployed.address, 8) as growing:
        deployed.wait(running(3))
    deployed.wait(running(1))
    assert set(growing.first) == {"version 1"}

    with Load(deployed.address, 8) as killed:
        deployed.wait(running(3))
        deployed.cluster.remove_node(deployed.nodes.pop(), allow_graceful=False)
        deployed.wait(lambda _status, states: states["RUNNING"] == 2)
        answers = killed.first["version 1"]
        while killed.first["version 1"] < answers + 100:
            time.sleep(0.1)
    assert killed.failed == []
    assert killed.first.keys() <= {"version 1", "503", "closed"}
    assert killed.first["503"] + killed.first["closed"] <= 8, "no client asked again twice"

    deployed.cluster.add_node(num_cpus=2)
    with Load(deployed.address, 8) as updated:
        deployed.deploy(tmp_path / "models-2")
        deployed.wait(lambda status, _states: status == "DEPLOYING")
        deployed.wait(lambda status, _states: status == "RUNNING")
    assert set(updated.first) == {"version 1", "version 2"}
    assert httpx.post(f"{deployed.address}/v1/classify", content=picture()).json()["version"] == "2"
    print(f"\nscaled: {dict(growing.first)}; node killed: {dict(killed.first)}; updated: {dict(updated.first)}")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_serve_run_answers_until_ctrl_c(tmp_path: Path) -> None:
    """The file as it is, but for the port; with the request id once, and problems instead of pages of text."""
    changed, log = configuration(), tmp_path / "log"
    changed["http_options"]["port"] = port = free_port()
    changed["applications"][0]["args"]["settings"] = {"models": str(write_bundle(tmp_path / "models").parents[1])}
    (tmp_path / "serve.yaml").write_text(yaml.safe_dump(changed))
    with (
        serve_run(tmp_path / "serve.yaml", log) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        while not is_ready(client):
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        answer = client.post("/v1/classify", content=picture(), headers={"X-Request-ID": "mine"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["results"][0]["predictions"][0]["label"] == "red"
        assert answer.headers.get_list("x-request-id") == ["mine"]
        assert client.get("/").status_code == 200
        refused = client.post("/v1/classify", content=b"no image")
        assert (refused.status_code, refused.headers["content-type"]) == (415, "application/problem+json")
        assert client.get("/metrics").status_code == 404, "they would be those of any one replica"
    assert process.returncode == 0, log.read_text()


def is_ready(client: httpx.Client) -> bool:
    """Ray's own proxy answers before there is a replica."""
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def serve_run(file: Path, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """`serve run`, ended as by Ctrl-C."""
    environment = os.environ | PROXY | {"RAY_ADDRESS": "local", "RAY_USAGE_STATS_ENABLED": "0"}
    with (
        log.open("wb") as output,
        subprocess.Popen([SERVE, "run", file], stdout=output, stderr=output, env=environment, cwd=ROOT) as process,
    ):
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
