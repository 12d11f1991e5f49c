"""A start that cannot succeed ends the process with the reason, however many processes there are."""

import os
import subprocess
import sys
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.bundles import write_bundle
from tests.support.pictures import GREEN, RED, picture
from tests.support.server import running

ONE, SEVERAL, ENGINE = ["--frontends", "1"], ["--frontends", "2"], ["--frontends", "1", "--engines", "1"]


def failed_start(models: Path, flags: list[str]) -> tuple[int, list[str]]:
    """Run the service to its end; return the exit status, and the lines on stderr that are not of the log."""
    command = [sys.executable, "-m", "service", "--port", "0", "--models", str(models), *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=os.environ)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, [line for line in done.stderr.splitlines() if line.startswith("snellen: ")]


def damage(bundle: Path) -> None:
    """Give a golden image other content than the manifest says."""
    (bundle / "golden/blue.png").write_bytes(picture(RED))


@pytest.mark.parametrize("flags", [ONE, SEVERAL, ENGINE])
def test_a_service_that_can_serve_no_version_ends_with_status_1(tmp_path: Path, flags: list[str]) -> None:
    """One line on stderr names the reason of each version."""
    damage(write_bundle(tmp_path, version=1))
    damage(write_bundle(tmp_path, version=2))
    status, (line,) = failed_start(tmp_path, flags)
    assert status == 1
    for version in (1, 2):
        assert f"colours/{version} was refused at load: golden/blue.png differs from the" in line


@pytest.mark.parametrize("flags", [ONE, SEVERAL])
def test_the_versions_that_load_are_served(tmp_path: Path, flags: list[str]) -> None:
    """A refused version does not end the service."""
    write_bundle(tmp_path, version=1)
    damage(write_bundle(tmp_path, version=2))
    with running(tmp_path, *flags) as server:
        answer = httpx.post(f"{server.url}/v1/classify", content=picture(GREEN))
        assert (answer.status_code, answer.json()["version"]) == (200, "1")


@pytest.mark.parametrize("flags", [ONE, SEVERAL, ENGINE])
def test_a_folder_without_a_readable_bundle_ends_with_status_2(tmp_path: Path, flags: list[str]) -> None:
    """The reason is the same for one process and for several."""
    (write_bundle(tmp_path) / "manifest.json").write_text("not JSON")
    status, (line,) = failed_start(tmp_path, flags)
    assert (status, "no bundle <name>/<version>/manifest.json can be read in" in line) == (2, True)
