"""The containers of the chart's pods, run by a real Docker engine with the flags that their specification means."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.docker.test_image import BASE, PHOTO, build, docker, engine_runs
from tests.snellen.command import in_process
from tests.support.helm_chart import ROOT, environment, pod_template, render

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not engine_runs(), reason="needs a Docker engine"),
]
LIMIT_S = 90
UNITS = {"Mi": "m", "Gi": "g"}
IMAGE_VALUES = {"repository": "snellen", "tag": "test"}


@pytest.fixture(scope="module")
def built() -> str:
    return build()


@pytest.fixture
def running() -> Iterator[list[str]]:
    """The names of containers to remove at the end."""
    names: list[str] = []
    try:
        yield names
    finally:
        for name in names:
            docker("rm", "--force", name)


def memory(quantity: str) -> str:
    """Return Kubernetes' quantity as Docker writes it: 3Gi is 3g."""
    return quantity[:-2] + UNITS[quantity[-2:]]


def arguments(spec: Mapping[str, Any], container: Mapping[str, Any], folders: Mapping[str, Path]) -> list[str]:
    """Return the flags, image and command of `docker run` for a container of a pod.

    folders: what stands for each volume of the pod; those that are missing are a tmpfs of their size.
    """
    pod, own = spec["securityContext"], container["securityContext"]
    limits = container["resources"]["limits"]
    flags = [f"--user={pod['runAsUser']}:{pod['runAsGroup']}", f"--memory={memory(limits['memory'])}"]
    flags += [f"--cpus={limits['cpu']}"] if "cpu" in limits else []
    flags += ["--read-only"] if own["readOnlyRootFilesystem"] else []
    flags += [f"--cap-drop={each}" for each in own["capabilities"]["drop"]]
    flags += [] if own["allowPrivilegeEscalation"] else ["--security-opt=no-new-privileges"]
    flags += [f"--env={name}={value}" for name, value in environment({"env": container.get("env", [])}).items()]
    flags += [f"--publish=127.0.0.1::{each['containerPort']}" for each in container.get("ports", [])]
    volumes = {each["name"]: each for each in spec["volumes"]}
    for mount in container["volumeMounts"]:
        name, target = mount["name"], mount["mountPath"]
        if name in folders:
            source = folders[name] / mount.get("subPath", "")
            flags.append(f"--volume={source}:{target}" + (":ro" if mount.get("readOnly") else ""))
        else:
            flags.append(f"--tmpfs={target}:size={memory(volumes[name]['emptyDir']['sizeLimit'])},mode=1777")
    command = container.get("command", [])
    flags += [f"--entrypoint={command[0]}"] if command else []
    return [*flags, container["image"], *command[1:], *container.get("args", [])]


def start(values: Mapping[str, Any], folders: Mapping[str, Path], running: list[str]) -> tuple[str, str]:
    """Run the init containers to their end, then the service until its startup probe holds; return name and address."""
    spec = pod_template(render({"image": IMAGE_VALUES, **values}))
    for container in spec.get("initContainers", []):
        docker("run", "--rm", *arguments(spec, container, folders))
    (container,) = spec["containers"]
    running.append(docker("run", "--detach", *arguments(spec, container, folders)))
    url = "http://" + docker("port", running[-1], "8000").splitlines()[0]
    end = time.monotonic() + LIMIT_S
    while not probe(url, container["startupProbe"]):
        assert time.monotonic() < end, docker("logs", running[-1])
        time.sleep(0.5)
    return running[-1], url


def probe(url: str, of: Mapping[str, Any]) -> bool:
    """Return whether the probe succeeds, by Kubernetes' rule: a status of 200 to 399 in time."""
    try:
        answer = httpx.get(url + of["httpGet"]["path"], timeout=of["timeoutSeconds"])
    except httpx.HTTPError:
        return False
    return 200 <= answer.status_code < 400


def test_a_pod_by_default_answers_and_drains(built: str, running: list[str]) -> None:
    """With the bundles of the image; SIGTERM turns the readiness probe first, and the exit status is 0."""
    name, url = start({"drain": {"delaySeconds": 3, "limitSeconds": 10}}, {}, running)
    (container,) = pod_template(render({}))["containers"]
    assert probe(url, container["livenessProbe"])
    answer = httpx.post(f"{url}/v1/classify", content=PHOTO.read_bytes(), timeout=30).json()
    assert answer["results"][0]["predictions"][0]["label"] == "espresso"
    docker("kill", "--signal", "TERM", name)
    end = time.monotonic() + 3
    while probe(url, container["readinessProbe"]):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert docker("wait", name) == "0"


def test_a_pod_with_keys_lets_in_clients_with_a_key(built: str, running: list[str], tmp_path: Path) -> None:
    """Bundles from a claim, keys from a secret; probes need no key."""
    keys = tmp_path / "keys"
    keys.mkdir()
    key = in_process("keys", "add", "shop", "--keys", keys / "keys.txt").stdout.strip()
    (keys / "keys.txt").chmod(0o644)
    shutil.copytree(ROOT / "models" / "fashion-mnist", tmp_path / "bundles" / "production" / "fashion-mnist")
    values = {
        "keys": {"secret": "snellen-keys"},
        "models": {"claim": {"name": "bundles", "path": "production"}},
        "settings": {"max_body_bytes": 1048576, "access_log": True},
    }
    _, url = start(values, {"keys": keys, "models": tmp_path / "bundles"}, running)
    assert httpx.get(f"{url}/v1/models").status_code == 401
    listed = httpx.get(f"{url}/v1/models", headers={"X-API-Key": key}).json()
    assert [each["name"] for each in listed["models"]] == ["fashion-mnist"]
    large = httpx.post(f"{url}/v1/classify", content=b"x" * 1048577, headers={"X-API-Key": key})
    assert large.status_code == 413


def test_an_init_container_brings_the_bundles(built: str, running: list[str], tmp_path: Path) -> None:
    """It runs as the service's user, on a read-only root, and the service reads what it wrote."""
    context, models = tmp_path / "image", tmp_path / "models"
    shutil.copytree(ROOT / "models" / "fashion-mnist", context / "fashion-mnist")
    (context / "Dockerfile").write_text(f"FROM {BASE}\nCOPY fashion-mnist /bundles/fashion-mnist\n")
    docker("build", "--tag", "snellen-bundles:test", str(context))
    models.mkdir()
    models.chmod(0o777)  # as an emptyDir is
    init = {"image": "snellen-bundles:test", "command": ["cp", "-r", "/bundles/.", "/models"]}
    _, url = start({"models": {"init": init}}, {"models": models}, running)
    (model,) = httpx.get(f"{url}/v1/models").json()["models"]
    assert model["name"] == "fashion-mnist", json.dumps(model)
