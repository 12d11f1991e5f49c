"""Who is killed, with processes that never answer."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from service.server.workers import heartbeat
from service.server.workers.heartbeat import Heartbeat
from service.server.workers.process import ManagedProcess


@pytest.fixture
def place() -> Iterator[ManagedProcess]:
    """With a process in it that has no channel, so that it says nothing."""
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        yield ManagedProcess("engine", 0, "", {}, process=process, ready=True)
        process.kill()


async def _beats(place: ManagedProcess, count: int) -> None:
    beating = Heartbeat(lambda: [place], limit_s=10.0)
    for _ in range(count):
        beating._beat()


def _ended(place: ManagedProcess) -> bool:
    """Without waiting for it, which is the supervisor's."""
    assert place.process is not None
    found = os.waitid(os.P_PID, place.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return found is not None


def _await_end(place: ManagedProcess) -> None:
    """As `_ended`."""
    assert place.process is not None
    os.waitid(os.P_PID, place.process.pid, os.WEXITED | os.WNOWAIT)


async def test_only_after_five_beats_it_is_killed(place: ManagedProcess, caplog: pytest.LogCaptureFixture) -> None:
    """Once, and its end is left for the supervisor to hear of."""
    await _beats(place, heartbeat._BEATS)
    assert not _ended(place)
    await _beats(place, 3)
    _await_end(place)
    assert caplog.text.count("engine 0 has not answered for 10 s and is killed") == 1


async def test_one_that_is_loading_is_left_alone(place: ManagedProcess) -> None:
    """A library may take its time."""
    place.ready = False
    await _beats(place, 3 * heartbeat._BEATS)
    assert not _ended(place)


def test_a_process_that_has_just_ended_is_still_heard_of(place: ManagedProcess) -> None:
    """By whoever waits for it: a signal must not do that."""
    assert place.process is not None
    place.signal(signal.SIGTERM)
    _await_end(place)
    place.signal(signal.SIGKILL)
    assert os.waitpid(place.process.pid, os.WNOHANG) == (place.process.pid, signal.SIGTERM)
    place.process.returncode = -signal.SIGTERM
