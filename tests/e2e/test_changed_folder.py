"""A process that is restarted after the models folder has changed serves what the others serve, or nothing."""

import os
import shutil
import signal
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.bundles import change_manifest, write_bundle
from tests.support.pictures import GREEN, picture
from tests.support.processes import engines_of, frontends_of, sample, until
from tests.support.server import ServerProcess, running

REFUSED = 'snellen_refused_processes{kind="frontend"}'


def classify(server: ServerProcess) -> tuple[int, str, str]:
    """On a connection of its own: status, version, label."""
    answer = httpx.post(f"{server.url}/v1/classify", content=picture(GREEN), timeout=60)
    if answer.status_code != 200:
        return answer.status_code, "", answer.text
    return 200, answer.json()["version"], answer.json()["results"][0]["predictions"][0]["label"]


def both_at_work(server: ServerProcess) -> None:
    until(lambda: sample(server, 'snellen_processes{kind="frontend"}') == 2, server)


def kill(pid: int, server: ServerProcess) -> None:
    os.kill(pid, signal.SIGKILL)
    until(lambda: pid not in frontends_of(server) + engines_of(server), server)


def test_a_front_that_finds_another_bundle_gets_no_connections(tmp_path: Path) -> None:
    """It is said in log, metric and /readyz, and over as soon as the folder is as it was."""
    folder = write_bundle(tmp_path)
    manifest = (folder / "manifest.json").read_bytes()
    with running(tmp_path, "--frontends", "2") as server:
        both_at_work(server)
        change_manifest(folder, labels=["one", "two", "three"])
        kill(frontends_of(server)[0], server)
        until(lambda: sample(server, REFUSED) == 1, server)
        assert [classify(server) for _ in range(20)] == [(200, "1", "green")] * 20
        readiness = httpx.get(f"{server.url}/readyz")
        reason = (
            "cannot load what the service serves (colours/1: its folder does not hold the manifest that was verified)"
        )
        assert readiness.status_code == 200
        assert reason in readiness.json()["detail"]
        assert server.log.count(reason) == 1
        (folder / "manifest.json").write_bytes(manifest)
        both_at_work(server)
        assert sample(server, REFUSED) == 0
        assert "cannot load" not in httpx.get(f"{server.url}/readyz").json()["detail"]


def test_a_version_that_was_added_is_not_served_by_one_front_alone(tmp_path: Path) -> None:
    """Else half of the answers would come from another model."""
    write_bundle(tmp_path)
    with running(tmp_path, "--frontends", "2") as server:
        both_at_work(server)
        write_bundle(tmp_path, version=2)
        kill(frontends_of(server)[0], server)
        both_at_work(server)
        assert [classify(server) for _ in range(20)] == [(200, "1", "green")] * 20


@pytest.mark.parametrize("damage", ["model.onnx", "all"])
def test_a_front_that_cannot_load_any_more_leaves_the_service_to_the_others(tmp_path: Path, damage: str) -> None:
    """A file is damaged, or everything is gone."""
    folder = write_bundle(tmp_path)
    with running(tmp_path, "--frontends", "2") as server:
        both_at_work(server)
        if damage == "all":
            shutil.rmtree(folder)
        else:
            (folder / damage).write_bytes(b"damaged")
        kill(frontends_of(server)[0], server)
        until(lambda: sample(server, REFUSED) == 1, server)
        assert [classify(server) for _ in range(20)] == [(200, "1", "green")] * 20
        if damage == "all":
            kill(next(pid for pid in frontends_of(server)), server)
            assert server.process.wait(60) == 2
            assert "snellen: no bundle" in server.log


def test_when_no_process_is_left_that_serves_the_old_bundle_the_new_one_is_served(tmp_path: Path) -> None:
    """By all of them, as after a restart of the service."""
    folder = write_bundle(tmp_path)
    with running(tmp_path, "--frontends", "2", "--drain-delay-s", "0") as server:
        both_at_work(server)
        change_manifest(folder, labels=["one", "two", "three"])
        for pid in frontends_of(server):
            os.kill(pid, signal.SIGKILL)
        until(lambda: "the service starts anew" in server.log, server)
        both_at_work(server)
        assert [classify(server) for _ in range(20)] == [(200, "1", "two")] * 20


def test_an_engine_never_runs_another_bundle_for_a_front(tmp_path: Path) -> None:
    """Labels and network are of the same bundle in every answer."""
    folder = write_bundle(tmp_path)
    with running(tmp_path, "--frontends", "1", "--engines", "1", "--drain-delay-s", "0", "--deadline-s", "5") as server:
        assert classify(server) == (200, "1", "green")
        change_manifest(folder, labels=["one", "two", "three"])
        kill(engines_of(server)[0], server)
        until(lambda: "the service starts anew" in server.log, server)
        until(lambda: classify(server)[0] == 200, server)
        assert classify(server) == (200, "1", "two")
