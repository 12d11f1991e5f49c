"""The CPU image, built and run as docs/docker.md says: what it holds, what it may do, how it ends.

SNELLEN_DOCKER_BUILD_ARGS holds further flags of `docker build`, such as a package mirror.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest

from models.contract import read_bundle
from tests.docker.monitoring import ROOT
from tests.support.class_folders import write_colours
from tests.support.onnx_files import NCHW_LOGITS, write_labels, write_onnx
from tests.support.readme import commands

IMAGE = "snellen:test"
BASE = "python:3.11-slim-bookworm"
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
PHOTO = ROOT / "models" / "imagenet" / "1" / "golden" / "espresso.jpg"


def docker(*arguments: str, timeout_s: float = 120) -> str:
    result = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout_s, check=False)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    return result.stdout.strip()


def engine_runs() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False).returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not engine_runs(), reason="needs a Docker engine"),
]


def build(name: str = IMAGE, *options: str) -> str:
    """Build the image from this code, and return its name. options: further flags of `docker build`."""
    extra = shlex.split(os.environ.get("SNELLEN_DOCKER_BUILD_ARGS", ""))
    file = str(ROOT / "docker" / "Dockerfile")
    docker("build", *extra, *options, "-t", name, "-f", file, str(ROOT), timeout_s=800)
    return name


@pytest.fixture(scope="module")
def image() -> str:
    return build()


class Container:
    """A running service, on a free port of the loopback address."""

    def __init__(self, image: str, options: Sequence[str] = (), command: Sequence[str] = ()) -> None:
        self.id = docker("run", "--detach", *HARDENED, "--publish", "127.0.0.1::8000", *options, image, *command)
        self.url = "http://" + docker("port", self.id, "8000").splitlines()[0]

    def inspect(self, template: str) -> str:
        return docker("inspect", "--format", template, self.id)

    def until_healthy(self, limit_s: float = 90) -> None:
        end = time.monotonic() + limit_s
        while self.inspect("{{.State.Health.Status}}") != "healthy":
            assert time.monotonic() < end, docker("logs", self.id)
            time.sleep(0.5)

    def pending_images(self) -> float:
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("snellen_pending_images{"))


def test_the_commands_of_the_readme_answer(image: str) -> None:
    """The build is that of the fixture, under the tag of the README; the run is the README's, on a free port."""
    build, run = map(shlex.split, commands("In a container"))
    assert [build[1:], run[:2]] == [["build", "-f", "docker/Dockerfile", "-t", "snellen:cpu", "."], ["docker", "run"]]
    options = ["127.0.0.1::8000" if part == "127.0.0.1:8000:8000" else part for part in run[2:-1]]
    started = docker("run", "--detach", *options, image)
    try:
        url, end = "http://" + docker("port", started, "8000").splitlines()[0], time.monotonic() + 60
        while docker("inspect", "--format", "{{.State.Health.Status}}", started) != "healthy":
            assert time.monotonic() < end, docker("logs", started)
            time.sleep(0.5)
        answer = httpx.post(f"{url}/v1/classify", content=PHOTO.read_bytes()).json()
        assert answer["results"][0]["predictions"][0]["label"] == "espresso"
    finally:
        docker("rm", "--force", started)


@pytest.fixture
def container(image: str) -> Iterator[Container]:
    started = Container(image)
    try:
        started.until_healthy()
        yield started
    finally:
        docker("rm", "--force", started.id)


def test_it_adds_less_than_300_mb_to_its_base(image: str) -> None:
    """What a node that has the base must pull, uncompressed."""
    size, base = (int(docker("image", "inspect", "--format", "{{.Size}}", name)) for name in (image, BASE))
    assert size - base < 300_000_000


def test_with_openvino_it_adds_less_than_400_mb_and_answers_by_it() -> None:
    """By the commands of docs/docker.md: golden images, a photo, a heat map and an image of any size."""
    documented = (ROOT / "docs" / "docker.md").read_text().partition("### With OpenVINO")[2].partition("### ")[0]
    commands = documented.partition("```sh\n")[2].partition("```")[0].replace("\\\n", "").splitlines()
    flags, run = map(shlex.split, commands)
    assert [*flags[:6], flags[-1]] == ["docker", "build", "-f", "docker/Dockerfile", "-t", "snellen:openvino", "."]
    made = build("snellen:test-openvino", *flags[6:-1])
    size, base = (int(docker("image", "inspect", "--format", "{{.Size}}", name)) for name in (made, BASE))
    assert size - base < 400_000_000
    docker("run", "--rm", *HARDENED, made, "verify", "/models/imagenet/1", "--providers", "openvino")
    tmpfs = run[run.index("--tmpfs") : run.index("--tmpfs") + 2]
    started = Container(made, tmpfs, ("serve", "--providers", "openvino"))
    try:
        started.until_healthy()
        for query in ("", "?explain=heatmap", "?dense=1"):
            answer = httpx.post(f"{started.url}/v1/classify{query}", content=PHOTO.read_bytes(), timeout=60)
            assert answer.status_code == 200
        assert httpx.get(f"{started.url}/v1/models/imagenet").json()["engine"]["provider"] == "openvino"
    finally:
        docker("rm", "--force", started.id)


def test_it_holds_what_the_service_needs_and_no_more(image: str) -> None:
    """No pip, no PyTorch, no compiler, no bytecode left to compile, and nothing its own user could change."""
    script = """
import importlib.util, json, os, pathlib, shutil
site = pathlib.Path(importlib.util.find_spec("service").origin).parent.parent
print(json.dumps({
    "uid": os.getuid(),
    "modules": [name for name in ("pip", "torch", "training.train", "pytest") if importlib.util.find_spec(name)],
    "programs": [name for name in ("gcc", "cc", "curl", "wget") if shutil.which(name)],
    "uncompiled": [str(p) for p in site.glob("service/*.py") if not list(p.parent.glob(f"__pycache__/{p.stem}.*"))],
    "own": [str(p) for p in pathlib.Path("/opt/snellen").rglob("*") if p.stat().st_uid == os.getuid()],
}))
"""
    found = json.loads(docker("run", "--rm", *HARDENED, "--entrypoint", "python", image, "-c", script))
    assert found == {"uid": 10001, "modules": [], "programs": [], "uncompiled": [], "own": []}


def test_it_can_make_and_judge_bundles(image: str) -> None:
    """The rooms of training that need no PyTorch are there."""
    code = "import training.evaluation.calibrate, training.importing.bundle_writer, training.importing.golden_images"
    docker("run", "--rm", *HARDENED, "--entrypoint", "python", image, "-c", code)


DOCUMENTED = (ROOT / "docs" / "docker.md").read_text().partition("## Your ONNX file in a container")[2]
IN_A_CONTAINER = [shlex.split(line) for line in re.findall("^snellen ((?!keys).+)$", DOCUMENTED, re.MULTILINE)]
USER = "12345:12345"
"""Neither root nor the user of the image."""


@pytest.fixture(scope="module")
def work(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the three commands of docs/docker.md have run."""
    folder = tmp_path_factory.mktemp("work")
    write_onnx(folder / "model.onnx", NCHW_LOGITS)
    write_labels(folder)
    write_colours(folder / "photos", 70)
    folder.chmod(0o777)
    assert [command[0] for command in IN_A_CONTAINER] == ["import", "evaluate", "calibrate"]
    for command in IN_A_CONTAINER:
        docker("run", "--rm", *HARDENED, "--user", USER, "-v", f"{folder}:/work", "-w", "/work", image, *command)
    return folder


def test_a_file_becomes_a_calibrated_bundle_in_it(work: Path) -> None:
    """As a user without rights, with a read-only root: the bundle belongs to that user, and nothing else is written."""
    made = read_bundle(work / "models" / "flowers" / "2")
    assert made.manifest.calibration.fitted_on is not None
    assert (made.path / "manifest.json").stat().st_uid == int(USER.partition(":")[0])
    assert sorted(path.name for path in work.iterdir()) == ["labels.txt", "model.onnx", "models", "photos"]


def test_it_serves_a_file_with_a_temporary_folder(image: str, work: Path) -> None:
    """The mounted folder is read-only; the model has the name of the file."""
    mounts = ("--tmpfs", "/tmp", "-v", f"{work}:/work:ro", "-w", "/work")
    command = ("serve", "model.onnx", "--labels", "labels.txt", "--preset", "imagenet")
    started = Container(image, mounts, command)
    try:
        started.until_healthy()
        answer = json.loads(httpx.post(f"{started.url}/v1/classify", content=PHOTO.read_bytes()).text)
        assert (answer["model"], len(answer["results"][0]["predictions"])) == ("model", 3)
    finally:
        docker("rm", "--force", started.id)


def test_a_folder_that_cannot_be_written_to_is_named(image: str, work: Path) -> None:
    """One sentence and status 2."""
    command = ("docker", "run", "--rm", *HARDENED, "-v", f"{work}:/work:ro", "-w", "/work", image, *IN_A_CONTAINER[2])
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "no bundle can be written to the folder '/work/models': Read-only file system" in done.stderr


def test_it_verifies_its_own_bundles(image: str) -> None:
    """The command line is there too: hashes, shapes and golden images, inside the container."""
    docker("run", "--rm", *HARDENED, image, "verify", "/models/imagenet/1")


def test_it_classifies_a_photo(container: Container) -> None:
    """With a read-only root file system, no capabilities and no writable folder at all."""
    answer = httpx.post(f"{container.url}/v1/classify", content=PHOTO.read_bytes())
    assert json.loads(answer.text)["results"][0]["predictions"][0]["label"] == "espresso"


def test_it_answers_what_it_accepted_before_it_stops(container: Container) -> None:
    """`docker stop` while requests are worked on: unready, every one answered, exit status 0."""
    files = [("image", (f"{index}.jpg", PHOTO.read_bytes())) for index in range(8)]

    def classify(_: int) -> int:
        answer = httpx.post(f"{container.url}/v1/classify", files=files, timeout=60)
        return len(json.loads(answer.text)["results"]) if answer.status_code == 200 else answer.status_code

    with ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(classify, index) for index in range(10)]
        while container.pending_images() == 0:
            time.sleep(0.01)
        stop = pool.submit(docker, "stop", "--time", "40", container.id)
        while httpx.get(f"{container.url}/readyz").status_code == 200:
            time.sleep(0.01)
        assert [answer.result() for answer in answers] == [8] * 10
        stop.result()
    assert container.inspect("{{.State.ExitCode}} {{.State.OOMKilled}}") == "0 false"


def test_its_models_are_seen_and_changed_from_inside(image: str) -> None:
    """By `docker exec`, where there is a writable /tmp for the socket; without one the log has a warning."""
    started = Container(image, ("--tmpfs", "/tmp"))
    try:
        started.until_healthy()
        assert "fashion-mnist/" in docker("exec", started.id, "snellen", "models", "list")
        assert "is unloaded" in docker("exec", started.id, "snellen", "models", "unload", "fashion-mnist")
        names = [each["name"] for each in httpx.get(f"{started.url}/v1/models").json()["models"]]
        assert "fashion-mnist" not in names
    finally:
        docker("rm", "--force", started.id)
