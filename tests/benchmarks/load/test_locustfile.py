"""The load test, run for a moment in a process of its own: locust changes the standard library when it is imported."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.conftest import ROOT
from tests.support.api_keys import write_keys
from tests.support.bundles import write_bundle
from tests.support.server import ServerProcess, running

LOCUSTFILE = ROOT / "benchmarks" / "load" / "locustfile.py"
NEEDS_MAKE = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
BAD = {f"bad: {name}" for name in ("truncated", "no image", "too many pixels", "empty")}


def locust(url: str, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run locust for two seconds with four users."""
    command = [sys.executable, "-m", "locust", "--headless", "--locustfile", str(LOCUSTFILE), "--host", url]
    command += ["--users", "4", "--spawn-rate", "4", "--run-time", "2s", "--stop-timeout", "10"]
    command += ["--json-file", str(folder / "load"), *flags]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def load(url: str, folder: Path, *flags: str) -> tuple[int, dict[str, Any]]:
    """Exit status and statistics by name of such a run."""
    result = locust(url, folder, *flags)
    assert (folder / "load.json").exists(), result.stderr
    return result.returncode, {entry["name"]: entry for entry in json.loads((folder / "load.json").read_text())}


def make_command(*words: str) -> list[str]:
    """A command of the Makefile with the packages of these tests."""
    packages = ["-o", ".venv/.load", f"BIN={Path(sys.executable).parent}"]
    return ["make", *packages, *words]


def make(*words: str) -> subprocess.CompletedProcess[str]:
    """Run such a command as a user would: not as a part of the `make` that may run these tests."""
    variables = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    command = make_command(*words)
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_good_requests_only_are_sent_by_default(server: ServerProcess, tmp_path: Path) -> None:
    """Nothing is refused, and the exit status is 0."""
    status, entries = load(server.url, tmp_path)
    assert entries
    assert not BAD & set(entries)
    assert all(entry["num_failures"] == 0 for entry in entries.values())
    assert status == 0


@pytest.mark.parametrize(
    ("mix", "names"),
    [("raw", {"raw"}), ("many", {"4 images"}), ("hostile", {"raw"} | BAD)],
)
def test_a_mix_has_a_name(server: ServerProcess, tmp_path: Path, mix: str, names: set[str]) -> None:
    """What is sent depends on it; every answer is the expected one, a refusal of a bad image included."""
    status, entries = load(server.url, tmp_path, "--mix", mix)
    assert set(entries) == names
    assert status == 0


def test_every_kind_of_user_gets_the_answer_it_expects(tmp_path: Path) -> None:
    """Good images are classified, each bad one is refused for its own reason, also below the prefix of a proxy."""
    kinds = ("raw", "multipart", "many-image", "bad-image")
    weights = (part for kind in kinds for part in (f"--{kind}-weight", "1"))
    with running(ROOT / "models", "--default-model", "imagenet", "--root-path", "/vision") as server:
        status, entries = load(f"{server.url}/vision", tmp_path, *weights)
    assert set(entries) == {"raw", "multipart", "4 images"} | BAD
    assert status == 0


def test_a_wrong_answer_fails_the_run_and_is_named(server: ServerProcess, tmp_path: Path) -> None:
    """A model that is not there answers 404 to everything."""
    result = locust(server.url, tmp_path, "--model", "nope", "--mix", "raw")
    [entry] = json.loads((tmp_path / "load.json").read_text())
    assert result.returncode == 1
    assert entry["num_failures"] == entry["num_requests"] > 0
    assert f"failed {entry['num_failures']} times: raw: 404 /problems/model-not-found\n" in result.stderr


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--mix", "hostle"], "There is no mix 'hostle'; did you mean hostile?"),
        (["--mix", "7"], "There is no mix '7'; the mixes are good, raw, many, mixed, hostile."),
        (["--images", "nowhere"], "There is no image at nowhere; name a file or a folder with --images."),
        (["--images-per-request", "0"], "--images-per-request is 0: give 1 or more."),
        (
            ["--mix", "raw", "--raw-weight", "0"],
            "The weights of the users are negative or all 0: give at least one above 0.",
        ),
        (
            ["--host", "localhost:8000"],
            "'localhost:8000' is not the address of a service; write it as in http://127.0.0.1:8000.",
        ),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)
def test_options_that_cannot_be_end_before_the_load(
    server: ServerProcess, tmp_path: Path, flags: list[str], sentence: str
) -> None:
    """With one sentence, status 2, and no result that could be taken for one."""
    result = locust(server.url, tmp_path, *flags)
    assert (result.returncode, result.stdout) == (2, "")
    assert sentence in result.stderr.splitlines()
    assert "Ramping" not in result.stderr
    assert not (tmp_path / "load.json").exists()


def test_a_host_that_is_not_this_service_is_named(server: ServerProcess, tmp_path: Path) -> None:
    """Another path of the server stands for another server: its answer to GET /readyz is 404."""
    result = locust(f"{server.url}/elsewhere", tmp_path)
    assert result.returncode == 2
    assert f"The server at {server.url}/elsewhere is not this service: GET /readyz was answered with" in result.stderr


def test_the_document_explains_every_mix(server: ServerProcess, tmp_path: Path) -> None:
    """In the order in which the command names them."""
    text = (ROOT / "docs" / "benchmarks.md").read_text().partition("| `MIX` |")[2].partition("\n\n")[0]
    names = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert f"the mixes are {', '.join(names)}.\n" in locust(server.url, tmp_path, "--mix", "7").stderr


@NEEDS_MAKE
def test_make_load_says_that_nothing_answers(free_port: int) -> None:
    """In one sentence, before any load."""
    url = f"http://127.0.0.1:{free_port}"
    result = make("load", f"HOST={url}")
    assert result.returncode == 2
    lines = [line for line in result.stderr.splitlines() if "INFO" not in line and not line.startswith("make")]
    cure = "start the service, or name another address with HOST=http://NAME:PORT (--host of locust)"
    assert lines == [f"Nothing answers at {url}; {cure}."]
    assert result.stdout == ""


@NEEDS_MAKE
def test_make_load_counts_images(server: ServerProcess) -> None:
    """A request with 8 images is 8 images, in the sentence and in the table."""
    result = make("load", f"HOST={server.url}", "MIX=many", "USERS=2", "TIME=2s", "LOAD_FLAGS=--images-per-request 8")
    assert result.returncode == 0, result.stderr
    found = re.search(
        r"Throughput: ([\d.]+) images per second: (\d+) images in [\d.]+ s, in (\d+) requests, of which 0 failed",
        result.stdout,
    )
    assert found
    assert int(found[2]) == 8 * int(found[3]) > 0
    assert re.search(
        rf"^\| 8 images \| {found[3]} \| 0 \| [\d.]+ \| {re.escape(found[1])} \|", result.stdout, re.MULTILINE
    )


@NEEDS_MAKE
def test_the_web_page_of_locust_starts_and_stops_a_load(server: ServerProcess, free_port: int) -> None:
    """`make load-ui`: the mix and the host can be changed on the page, and a wrong mix stops at once."""
    with locust_page(server.url, free_port) as page:
        assert '"mix"' in page.get("/").text
        form = {"user_count": 2, "spawn_rate": 2, "host": server.url}
        assert page.post("/swarm", data=form | {"mix": "many"}).json()["success"]
        until(lambda: page.get("/stats/requests").json()["stats"][-1]["num_requests"])
        stats = page.get("/stats/requests").json()
        assert {entry["name"] for entry in stats["stats"]} == {"4 images", "Aggregated"}
        assert page.post("/stop").json()["success"]
        assert page.post("/swarm", data=form | {"mix": "hostle"}).json()["success"]
        until(lambda: page.get("/stats/requests").json()["state"] == "stopped", limit_s=10)


def until(true: Callable[[], bool], limit_s: float = 30) -> None:
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


@contextmanager
def locust_page(url: str, port: int) -> Iterator[httpx.Client]:
    """Run `make load-ui` and yield a client of its page."""
    command = make_command("load-ui", f"HOST={url}", f"UI_PORT={port}")
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            until(lambda: answers(client))
            yield client
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def answers(client: httpx.Client) -> bool:
    try:
        client.get("/")
    except httpx.TransportError:
        return False
    return True


def test_a_key_comes_from_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, or with one that may not classify, the run ends before any load with the reason and status 2."""
    write_bundle(tmp_path / "models", "imagenet")
    keys = write_keys(tmp_path / "keys", load="classify", scraper="metrics")
    with running(tmp_path / "models", "--keys", str(tmp_path / "keys")) as locked:
        for key, reason in (("", "this service needs an API key"), (keys["scraper"], "lacks the scope classify")):
            monkeypatch.setenv("SNELLEN_KEY", key)
            refused = locust(locked.url, tmp_path)
            assert (refused.returncode, reason in refused.stderr) == (2, True), refused.stderr
        monkeypatch.setenv("SNELLEN_KEY", keys["load"])
        status, entries = load(locked.url, tmp_path, "--mix", "raw")
        assert (status, entries["raw"]["num_failures"]) == (0, 0)
