"""The check process: what it finds out about a version, and when it ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from models.contract import BundleError, read_bundle
from service.check_process import check
from service.engine.session import EngineRejected
from service.repository.checker import CheckWork
from service.settings import Settings
from tests.support.bundles import change_manifest, write_bundle

COMMAND = [sys.executable, "-P", "-m", "service.check_process"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "models")


def work(folder: Path, cache: Path) -> CheckWork:
    settings = Settings(tune_s=0.05, max_batch_size=2, profile_cache=cache)
    return CheckWork(settings, 2, str(folder), read_bundle(folder).sha256, memory_bytes=None)


def test_work_survives_the_way_to_the_process(folder: Path, tmp_path: Path) -> None:
    """It is one line of JSON."""
    sent = work(folder, tmp_path)
    assert sent.to_json().count(b"\n") == 1
    assert CheckWork.from_json(sent.to_json()) == sent


def test_a_version_is_tuned_and_its_memory_is_measured(folder: Path, tmp_path: Path) -> None:
    """At least one configuration is timed, and the memory that was used before does not count."""
    measured: list[int] = []
    used_before = bytearray(200 * 1024 * 1024)
    used_before[::4096] = bytes([1]) * len(range(0, len(used_before), 4096))
    profile, peak_bytes = check(work(folder, tmp_path), lambda: measured.append(1))
    assert measured
    assert profile.chosen.batch_size <= 2
    assert 0 <= peak_bytes < len(used_before)


def test_a_version_that_may_not_be_served_is_rejected(folder: Path, tmp_path: Path) -> None:
    """With the reason of the engine, or of the bundle."""
    changed = work(folder, tmp_path)
    change_manifest(folder, labels=["red", "green"])
    with pytest.raises(BundleError, match="its manifest was changed"):
        check(changed, lambda: None)
    with pytest.raises(EngineRejected):
        check(work(folder, tmp_path), lambda: None)


def test_the_process_ends_with_its_input(folder: Path, tmp_path: Path) -> None:
    """A service that was killed leaves no process behind: the end of the input ends a check that runs."""
    sent = work(folder, tmp_path)
    slow = CheckWork(sent.settings.model_copy(update={"tune_s": 60.0}), 2, sent.path, sent.sha256, None)
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(slow.to_json())
        process.stdin.flush()
        assert b"measured" in process.stdout.readline()
        process.stdin.close()
        assert process.wait(30) == 1
