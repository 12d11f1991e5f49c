"""A process of the main process: who is killed, with processes that never answer; restarts."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from service.repository.state import RepositoryState, VersionRecord
from service.server.workers.control_channel import PREPARED, ControlChannel, pair, read_memfd
from service.server.workers.plan import ProcessPlan
from service.server.workers.process import MAX_MISSED_HEARTBEATS, ManagedProcess
from service.settings import Settings


@pytest.fixture
def process() -> Iterator[ManagedProcess]:
    """With a process in it that has no channel, so that it says nothing."""
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        yield ManagedProcess("engine", 0, "", {}, process=child, ready=True)
        child.kill()


@pytest.fixture
def starved() -> Iterator[ManagedProcess]:
    """With a process in it that says nothing, of the lowest priority, on a core that another one keeps busy."""
    code = "import os, sys; os.sched_setaffinity(0, [int(sys.argv[1])]); print(flush=True)\nwhile True: pass"
    core = str(min(os.sched_getaffinity(0)))
    with (
        subprocess.Popen([sys.executable, "-c", code, core], stdout=subprocess.PIPE) as other,
        subprocess.Popen([sys.executable, "-c", code, core], stdout=subprocess.PIPE) as child,
    ):
        for each in (other, child):
            assert each.stdout is not None
            each.stdout.readline()
        os.setpriority(os.PRIO_PROCESS, child.pid, 19)
        yield ManagedProcess("engine", 0, "", {}, process=child, ready=True)
        child.kill()
        other.kill()


async def _beats(process: ManagedProcess, count: int) -> None:
    for _ in range(count):
        process.check_heartbeat(limit_s=10.0)


def _ended(process: ManagedProcess) -> bool:
    """Without waiting for it, which is the supervisor's."""
    assert process.process is not None
    found = os.waitid(os.P_PID, process.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return found is not None


def _await_end(process: ManagedProcess) -> None:
    """As `_ended`."""
    assert process.process is not None
    os.waitid(os.P_PID, process.process.pid, os.WEXITED | os.WNOWAIT)


async def test_only_after_five_beats_it_is_killed(process: ManagedProcess, caplog: pytest.LogCaptureFixture) -> None:
    """Once, and its end is left for the supervisor to hear of."""
    await _beats(process, MAX_MISSED_HEARTBEATS)
    assert not _ended(process)
    await _beats(process, 3)
    _await_end(process)
    assert caplog.text.count("engine 0 has not answered for 10 s and is killed") == 1


async def test_one_that_waits_for_a_core_is_not_killed(
    starved: ManagedProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """Only the time in which it could have answered counts, as when it is stopped."""
    limit_s = 1.0

    async def beats(count: int) -> None:
        for _ in range(count):
            starved.check_heartbeat(limit_s)
            await asyncio.sleep(limit_s / MAX_MISSED_HEARTBEATS)

    await beats(3 * MAX_MISSED_HEARTBEATS)
    assert not caplog.text
    starved.signal(signal.SIGSTOP)
    await beats(2 * MAX_MISSED_HEARTBEATS)
    assert caplog.text.count("engine 0 has not answered for 1 s and is killed") == 1
    _await_end(starved)


async def test_one_that_is_loading_is_left_alone(process: ManagedProcess) -> None:
    """A library may take its time."""
    process.ready = False
    await _beats(process, 3 * MAX_MISSED_HEARTBEATS)
    assert not _ended(process)


def test_a_signal_does_not_collect_an_exit_status(process: ManagedProcess) -> None:
    """A signal to a process that has ended leaves its exit status to be collected by the main process."""
    assert process.process is not None
    process.signal(signal.SIGTERM)
    _await_end(process)
    process.signal(signal.SIGKILL)
    assert os.waitpid(process.process.pid, os.WNOHANG) == (process.process.pid, signal.SIGTERM)
    process.process.returncode = -signal.SIGTERM


async def test_a_process_reads_its_configuration_and_reports_what_it_cannot_serve(tmp_path: Path) -> None:
    """A real engine process without the bundle that it should serve."""
    engine = ProcessPlan(1, 1).engines(Settings(models=tmp_path))[0]
    reported: asyncio.Future[tuple[bytes, bytes, bytes]] = asyncio.get_running_loop().create_future()

    def on_message(_process: ManagedProcess, kind: bytes, text: bytes, files: Sequence[int]) -> None:
        reported.set_result((kind, text, read_memfd(files[0])))

    state = RepositoryState(7, {"colours/1": VersionRecord("colours/1", "00", "ready")})
    engine.launch(on_message, lambda *_: None, state)
    kind, number, failures = await asyncio.wait_for(reported, 60)
    assert (kind, number) == (PREPARED, b"7")
    assert json.loads(failures) == {"colours/1": "its folder does not hold the manifest that was verified"}
    assert engine.process is not None
    engine.process.kill()
    assert await asyncio.to_thread(engine.process.wait, 60) == -signal.SIGKILL
    assert engine.ended(-signal.SIGKILL) == 0.1


async def test_each_early_end_doubles_the_pause(process: ManagedProcess) -> None:
    """Up to a limit; a process that was refused waits for the folder to be repaired."""
    pauses = []
    for _ in range(8):
        ours, theirs = pair()
        theirs.close()
        process.channel = ControlChannel(ours, lambda *_: None, lambda: None)
        process._started_at = asyncio.get_running_loop().time()
        pauses.append(process.ended(1))
        process.refused = "another manifest" if len(pauses) == 7 else ""
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 10.0]
