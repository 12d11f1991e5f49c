"""The main process with children that end at once, and with none: restarts, refusals, and its end."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import Popen, run
from typing import cast

import pytest

from service.server.workers.control_channel import (
    COMMIT,
    DEGRADED,
    PREPARED,
    RETIRED,
    STARTED,
    STOP_ACCEPTING,
    to_memfd,
)
from service.server.workers.plan import ProcessPlan
from service.server.workers.process import MAX_QUICK_DEATHS, ManagedProcess
from service.server.workers.supervisor import Supervisor
from service.settings import Settings
from service.tasks import begin
from tests.conftest import ROOT
from tests.support.bundles import change_manifest, write_bundle

_SUPERVISED = """
import asyncio, pathlib, sys
from service.server.workers import process
from tests.service.server.workers.test_supervisor import supervisor
process._FIRST_PAUSE_S = 0.01

async def main():
    return await supervisor(pathlib.Path(sys.argv[1]), process.ManagedProcess).run()

sys.exit(asyncio.run(main()))
"""


class Child(ManagedProcess):
    """Without a process: what it would be sent."""

    def signal(self, number: int) -> None:
        vars(self).setdefault("signals", []).append(number)

    def send(self, kind: bytes, text: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        vars(self).setdefault("sent", []).append((kind, text))


class Plan:
    """Of two frontends."""

    def __init__(self, kind: type[ManagedProcess]) -> None:
        self._kind = kind

    def of_networks(self, settings: Settings) -> tuple[Settings, int, int]:
        return settings, 1, 2

    def frontends(self, _settings: Settings) -> list[ManagedProcess]:
        return [self._kind("frontend", number, "this", {}) for number in range(2)]

    def engines(self, _settings: Settings) -> list[ManagedProcess]:
        return []


def supervisor(repository: Path, kind: type[ManagedProcess] = Child) -> Supervisor:
    return Supervisor(Settings(models=repository), cast(ProcessPlan, Plan(kind)), [])


class Played:
    """A main process whose two frontends the test plays."""

    def __init__(self, repository: Path) -> None:
        self.main = supervisor(repository)
        self.main._finished = asyncio.get_running_loop().create_future()
        self.first, self.second = self.main._frontends
        for process in (self.first, self.second):
            process.process = cast("Popen[bytes]", Popen)
            process.given = 1
            self.main._on_message(process, STARTED, b"", ())
        begin(self.main._start_lifecycle(), self.main._tasks)

    def prepared(self, process: ManagedProcess, number: int, **failures: str) -> None:
        files = [to_memfd(json.dumps({name.replace("_", "/"): why for name, why in failures.items()}).encode())]
        self.main._on_message(process, PREPARED, str(number).encode(), files)

    async def serve(self) -> None:
        """Let both prepare the first state, and the one in which it is committed."""
        for number in (1, 2):
            await asyncio.sleep(0.01)
            for process in (self.first, self.second):
                self.prepared(process, number)
        await asyncio.sleep(0.01)
        for process in (self.first, self.second):
            self.main._on_message(process, RETIRED, b"2", ())
        await asyncio.sleep(0.01)


def test_processes_that_end_right_after_their_start_end_the_service(tmp_path: Path) -> None:
    """After some restarts, with one line that names the process; real ones, which print a poem.

    In a process of its own, as the supervisor has it: it hears of the end of every child of its process.
    """
    write_bundle(tmp_path)
    done = run([sys.executable, "-c", _SUPERVISED, tmp_path], capture_output=True, text=True, cwd=ROOT, timeout=100)  # noqa: PLW1510
    assert done.returncode == 1, done.stderr
    assert done.stderr.count(f"has died {MAX_QUICK_DEATHS} times right after its start") == 1


async def test_a_frontend_is_ready_when_the_first_state_is_committed(tmp_path: Path) -> None:
    """All have to have prepared it."""
    write_bundle(tmp_path)
    played = Played(tmp_path)
    await asyncio.sleep(0.01)
    played.prepared(played.first, 1)
    await asyncio.sleep(0.01)
    assert (played.first.up, played.first.ready) == (True, False)
    await played.serve()
    assert (played.first.ready, played.second.ready) == (True, True)
    assert vars(played.first)["sent"][-1] == (COMMIT, b"2")


async def test_a_service_that_can_serve_nothing_ends(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With one line that gives the reason."""
    write_bundle(tmp_path)
    played = Played(tmp_path)
    await asyncio.sleep(0.01)
    for process in (played.first, played.second):
        played.prepared(process, 1, colours_1="red.png is missing")
    await played.serve()
    assert await played.main._finished == 1
    assert capfd.readouterr().err.count("snellen: colours/1 was refused at load: red.png is missing") == 1


async def test_a_restarted_process_that_cannot_open_what_the_others_serve_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The others go on, and /readyz of them says so."""
    write_bundle(tmp_path)
    played = Played(tmp_path)
    await played.serve()
    played.second.up = played.second.ready = False
    played.second.process = None
    played.prepared(played.second, 2, colours_1="another manifest")
    assert (played.first.ready, played.second.ready) == (True, False)
    assert played.second.refused == "colours/1: another manifest"
    kind, text = vars(played.first)["sent"][-1]
    assert (kind, "frontend 1 cannot load what the service serves" in text.decode()) == (DEGRADED, True)
    assert "the others go on" in caplog.text


async def test_a_frontend_that_ends_gets_no_connections_though_the_models_change(tmp_path: Path) -> None:
    """It takes part in the change, since it still answers requests."""
    write_bundle(tmp_path)
    played = Played(tmp_path)
    await played.serve()
    played.main._on_message(played.second, STOP_ACCEPTING, b"", ())
    begin(played.main._lifecycle.rescan(), played.main._tasks)
    await asyncio.sleep(0.1)
    for process in (played.first, played.second):
        played.prepared(process, 3)
    await asyncio.sleep(0.01)
    assert vars(played.second)["sent"][-1] == (COMMIT, b"3")
    assert (played.first.up, played.second.up, played.second.ready) == (True, False, False)


async def test_when_no_process_is_left_the_folder_decides_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As at the start of the service."""
    folder = write_bundle(tmp_path)
    played = Played(tmp_path)
    await played.serve()
    change_manifest(folder, labels=["one", "two", "three"])
    for process in (played.first, played.second):
        process.up = process.ready = False
        process.process = None
    played.prepared(played.second, 2, colours_1="another manifest")
    assert "the service starts anew" in caplog.text
    assert played.main._rollout.at_start.number == 3
    assert played.main._rollout.at_start.versions == played.main._lifecycle.state.versions
