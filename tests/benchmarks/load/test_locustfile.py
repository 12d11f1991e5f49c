"""The load test, run for a moment in a process of its own: locust changes the standard library when it is imported."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import ServerProcess

LOCUSTFILE = Path(__file__).parents[3] / "benchmarks" / "load" / "locustfile.py"


def load(url: str, folder: Path, *flags: str) -> tuple[int, dict[str, Any]]:
    """Exit status and statistics by name, of two seconds with four users."""
    command = [sys.executable, "-m", "locust", "--headless", "--locustfile", str(LOCUSTFILE), "--host", url]
    command += ["--users", "4", "--spawn-rate", "4", "--run-time", "2s", "--stop-timeout", "10"]
    command += ["--json-file", str(folder / "load"), *flags]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (folder / "load.json").exists(), result.stderr
    return result.returncode, {entry["name"]: entry for entry in json.loads((folder / "load.json").read_text())}


@pytest.fixture
def one_user_of_each_kind() -> list[str]:
    kinds = ("raw", "multipart", "many-image", "bad-image")
    return [part for kind in kinds for part in (f"--{kind}-weight", "1")]


def test_every_kind_of_user_gets_the_answer_it_expects(
    server: ServerProcess, tmp_path: Path, one_user_of_each_kind: list[str]
) -> None:
    """Good images are classified, each bad one is refused for its own reason, and the exit status says so."""
    status, entries = load(server.url, tmp_path, *one_user_of_each_kind)
    bad = {f"bad: {name}" for name in ("truncated", "no image", "too many pixels", "empty")}
    assert set(entries) == {"raw", "multipart", "4 images"} | bad
    assert status == 0


def test_a_wrong_answer_fails_the_run(server: ServerProcess, tmp_path: Path) -> None:
    """A model that is not there answers 404 to everything."""
    status, entries = load(server.url, tmp_path, "--model", "nope", "--bad-image-weight", "0")
    assert status == 1
    assert all(entry["num_failures"] == entry["num_requests"] > 0 for entry in entries.values())
