"""Models change while the service runs, in each of its shapes: real processes over a folder that changes."""

import http.client
import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from models.contract import MANIFEST
from snellen.admin_client import find_service
from tests.service.repository.test_checker import renew_hashes, write_crashing_graph
from tests.support.bundles import replace_constant, write_bundle
from tests.support.pictures import GREEN, picture
from tests.support.processes import checks_of, engines_of, frontends_of, hurry_checks, until
from tests.support.server import ServerProcess, running
from tests.support.shapes import slow_but

SHAPES = {
    "one process": ("--frontends", "1"),
    "two frontends": ("--frontends", "2"),
    "an engine process": ("--frontends", "1", "--engines", "1"),
}
LIMIT_S = 240.0
"""Time for a change; a check has the lowest priority of a machine that may be busy."""
CONNECTIONS = 8
"""Connections on which a state is asked for; the balancer spreads them over all frontends."""
pytestmark = pytest.mark.timeout(900)


@dataclass
class Changing:
    """A service that watches its repository folder, and what is done to that folder."""

    server: ServerProcess
    folder: Path

    def write(self, version: int, damage: Callable[[Path], None] | None = None) -> Path:
        """Write a bundle of `colours` beside the repository, and return its folder. damage: what is done to it."""
        unfinished = self.folder.with_name("unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        folder = write_bundle(unfinished, version=version)
        if damage:
            damage(folder)
        return folder

    def add(self, version: int, damage: Callable[[Path], None] | None = None) -> None:
        self.write(version, damage).rename(self.folder / "colours" / str(version))

    def delete(self, version: int) -> None:
        shutil.rmtree(self.folder / "colours" / str(version))

    def ask(self, path: str, body: bytes | None = None) -> tuple[int, str]:
        """Status and text of an answer, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)
        connection.request("POST" if body else "GET", path, body)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def listed(self) -> list[dict[str, Any]]:
        """The versions of `colours`, as one frontend shows them."""
        models: list[dict[str, Any]] = json.loads(self.ask("/v1/models")[1])["models"]
        return models

    def seen(self) -> tuple[int, dict[int, str]]:
        """The default version and the states of all, as one frontend shows them."""
        listed = self.listed()
        default = next(int(each["version"]) for each in listed if each["default"])
        return default, {int(each["version"]): each["state"] for each in listed}

    def state(self, version: int) -> str:
        return self.seen()[1].get(version, "")

    def reason(self, version: int) -> str:
        return next(each["reason"] or "" for each in self.listed() if each["version"] == str(version))

    def everywhere(self, default: int, states: dict[int, str]) -> None:
        """Wait until every frontend shows these versions, and answers with this default one."""
        self.until(lambda: all(self.seen() == (default, states) for _ in range(CONNECTIONS)))
        for _ in range(CONNECTIONS):
            status, text = self.ask("/v1/classify", picture(GREEN))
            assert (status, json.loads(text).get("version")) == (200, str(default)), text

    def until(self, true: Callable[[], bool]) -> None:
        def hurried() -> bool:
            hurry_checks(self.server)
            try:
                return true()
            except (
                ConnectionError,
                http.client.HTTPException,
            ):  # a frontend that is killed takes its connections along
                return False

        until(hurried, self.server, LIMIT_S)

    def metric(self, version: int) -> list[str]:
        """The states of a version by the metrics."""
        text = self.ask("/metrics")[1]
        found = re.findall(r"^snellen_model_state\{(.*)\} 1\.0$", text, re.MULTILINE)
        return [
            state[1]
            for each in found
            if f'version="{version}"' in each and (state := re.search(r'state="(\w+)"', each))
        ]


@dataclass
class Clients:
    """Keep-alive clients that ask for the default version, one question after the other."""

    port: int
    statuses: set[int] = field(default_factory=set)
    versions: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @contextmanager
    def asking(self, count: int = 3) -> Iterator["Clients"]:
        ended = threading.Event()
        threads = [threading.Thread(target=self._ask, args=(ended,)) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            ended.set()
            for thread in threads:
                thread.join()

    def _ask(self, ended: threading.Event) -> None:
        connection, body = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120), picture(GREEN)
        while not ended.is_set():
            try:
                connection.request("POST", "/v1/classify", body)
                answer = connection.getresponse()
                read = json.loads(answer.read())
            except (OSError, http.client.HTTPException) as error:
                self.faults.append(repr(error))
                return
            self.statuses.add(answer.status)
            self.versions.append(read.get("version", str(read)))
            time.sleep(0.05)  # enough for every state; other tests want the processor too
        connection.close()


@contextmanager
def changing(tmp_path: Path, *flags: str) -> Iterator[Changing]:
    """Start a service over a repository with one version."""
    folder = tmp_path / "models"
    write_bundle(folder)
    with running(folder, "--drain-delay-s", "0", *flags) as server:
        service = Changing(server, folder)
        if "2" in flags:
            until(lambda: len(frontends_of(server)) == 2, server)
        service.everywhere(1, {1: "ready"})
        yield service


@pytest.fixture(params=slow_but("one process", SHAPES))
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Changing]:
    """A service of each shape that looks at its folder by itself."""
    with changing(tmp_path, *SHAPES[request.param], "--watch") as started:
        yield started


def damaged(folder: Path) -> None:
    """Change the graph, and leave the hash in the manifest as it was."""
    replace_constant(folder / "model.onnx", "scale", 0.01)


def wrong(folder: Path) -> None:
    """Change the graph and its hash, but not the golden probabilities."""
    damaged(folder)
    renew_hashes(folder)


def survivors(pids: list[int]) -> list[int]:
    """Those of the processes that have not ended."""
    alive = []
    for pid in pids:
        with suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                alive.append(pid)
    return alive


def test_the_folder_is_what_is_served(service: Changing) -> None:
    """Versions are added, waited for, pinned, refused and deleted; clients notice only which version answers."""
    clients = Clients(service.server.port)
    with clients.asking():
        half = service.write(2)
        model = (half / "model.onnx").read_bytes()
        (half / "model.onnx").write_bytes(model[: len(model) // 2])
        half.rename(service.folder / "colours" / "2")
        service.until(lambda: service.state(2) == "discovered" and "bytes" in service.reason(2))
        assert service.seen()[0] == 1
        (service.folder / "colours" / "2" / "model.onnx").write_bytes(model)
        service.everywhere(2, {1: "ready", 2: "ready"})

        (service.folder / "colours" / "default").write_text("1\n")
        service.everywhere(1, {1: "ready", 2: "ready"})
        (service.folder / "colours" / "default").unlink()
        service.everywhere(2, {1: "ready", 2: "ready"})

        service.delete(1)
        service.everywhere(2, {2: "ready"})
        service.until(lambda: service.metric(1) == [])
        assert 'version="1"' not in service.ask("/metrics")[1]

        for version, damage, why in (
            (3, damaged, "differs from the sha256"),
            (4, wrong, "golden image"),
            (5, write_crashing_graph, "crashes the runtime"),
        ):
            service.add(version, damage)
            service.everywhere(2, {2: "ready", version: "failed"})
            assert why in service.reason(version)
            assert f"colours/{version} was refused at load: " in (detail := service.ask("/readyz")[1])
            assert why in detail
            service.until(lambda version=version: service.metric(version) == ["failed"])  # type: ignore[misc]
            assert f"colours/{version} failed and is not served: " in service.server.log
            service.delete(version)
            service.everywhere(2, {2: "ready"})

        service.delete(2)
        service.until(lambda: "no bundle any more" in service.reason(2))
        service.everywhere(2, {2: "ready"})
        shutil.rmtree(service.folder)
        service.until(lambda: "nothing is changed: there is no folder" in service.server.log)
        service.everywhere(2, {2: "ready"})
        service.write(6).parents[1].rename(service.folder)
        service.everywhere(6, {6: "ready"})
        service.until(lambda: clients.versions[-1] == "6")
    assert clients.faults == []
    assert clients.statuses == {200}, [each for each in clients.versions if not each.isdecimal()]
    assert set(clients.versions) == {"1", "2", "6"}  # 3, 4 and 5 were never ready
    assert checks_of(service.server) == []


@pytest.mark.parametrize("shape", slow_but("two frontends", ["two frontends", "an engine process"]))
def test_a_process_that_is_killed_during_a_change_ends_in_the_new_state(tmp_path: Path, shape: str) -> None:
    """A frontend, an engine process and the process that checks: every frontend ends in one of the two states."""
    with changing(tmp_path, *SHAPES[shape]) as service:
        victims = frontends_of if shape == "two frontends" else engines_of
        for version, state in ((2, "verifying"), (3, "warming")):
            service.add(version)
            os.kill(service.server.process.pid, signal.SIGHUP)
            service.until(lambda version=version, state=state: service.state(version) in {state, "ready"})  # type: ignore[misc]
            os.kill(victims(service.server)[0], signal.SIGKILL)
            service.everywhere(version, dict.fromkeys(range(1, version + 1), "ready"))
        service.add(4)
        os.kill(service.server.process.pid, signal.SIGHUP)
        until(lambda: bool(checks_of(service.server)), service.server, LIMIT_S)
        os.kill(checks_of(service.server)[0], signal.SIGKILL)
        service.everywhere(3, {1: "ready", 2: "ready", 3: "ready", 4: "failed"})
        assert "SIGKILL" in service.reason(4)


@pytest.mark.parametrize("shape", slow_but("two frontends", SHAPES))
def test_nothing_is_left_of_a_service_that_ends_during_a_change(tmp_path: Path, shape: str) -> None:
    """SIGKILL of the main process ends its children too, also the one that checks; and so does SIGTERM."""
    for number in (signal.SIGKILL, signal.SIGTERM):
        with changing(tmp_path / number.name, *SHAPES[shape]) as service:
            service.add(2)
            os.kill(service.server.process.pid, signal.SIGHUP)
            until(lambda service=service: bool(checks_of(service.server)), service.server, LIMIT_S)  # type: ignore[misc]
            server = service.server
            children = [*frontends_of(server), *engines_of(server), *checks_of(server)]
            hurry_checks(server)
            server.process.send_signal(number)
            assert server.process.wait(LIMIT_S) == (-signal.SIGKILL if number == signal.SIGKILL else 0)
            until(lambda children=children: survivors(children) == [], server)  # type: ignore[misc]
            assert (service.folder / "colours" / "2" / MANIFEST).exists()


def test_a_frontend_that_starts_while_a_version_retires_serves_what_is_left(tmp_path: Path) -> None:
    """It was told to open a version that the engine process has closed meanwhile."""
    with changing(tmp_path, *SHAPES["an engine process"]) as service:
        service.add(2)
        os.kill(service.server.process.pid, signal.SIGHUP)
        service.everywhere(2, {1: "ready", 2: "ready"})
        before = frontends_of(service.server)
        os.kill(before[0], signal.SIGKILL)
        until(lambda: frontends_of(service.server) not in ([], before), service.server)
        find_service(None, service.server.port).change("unload", {"name": "colours/1"})
        service.everywhere(2, {2: "ready"})
