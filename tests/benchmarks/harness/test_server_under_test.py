"""A server that stays up: at rest between its slices, named when it dies, from another working tree if wanted."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from benchmarks.harness.server_process import RunningServer, ServerFailed, first_answer, free_port, running
from benchmarks.harness.server_under_test import IDLE_LIMIT_CORES, ServerUnderTest, idle_cores
from benchmarks.harness.servers import AGAINST, SERVICE, echo, service
from benchmarks.workloads import WORKLOADS, Workload

ANOTHER_SERVICE = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"results": [{"predictions": [{"class_id": 77, "probability": 1.0}]}]}')

HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Answer).serve_forever()
"""


@pytest.fixture
def workload(tmp_path: Path) -> Workload:
    image = tmp_path / "image.png"
    image.write_bytes(bytes(1000))
    return replace(WORKLOADS["A"], image=image)


@pytest.fixture
def up(workload: Workload) -> Iterator[RunningServer]:
    with running(echo(workload, free_port())) as ready:
        yield ready


def await_stopped(up: RunningServer, *, stopped: bool) -> None:
    """A signal takes effect a moment later; the test's time limit ends the wait."""
    while (psutil.Process(up.pid).status() == psutil.STATUS_STOPPED) is not stopped:
        time.sleep(0.01)


def test_a_quiet_server_is_left_alone(workload: Workload, up: RunningServer) -> None:
    """It uses nothing while nobody asks."""
    subject = ServerUnderTest(workload, up)
    values = subject.note_idle_use(idle_cores([subject])[subject.name])
    assert values["idle_cores"] <= IDLE_LIMIT_CORES
    assert values["stopped_between"] == 0
    assert psutil.Process(up.pid).status() != psutil.STATUS_STOPPED


def test_a_restless_server_is_stopped_between_its_slices(workload: Workload, up: RunningServer) -> None:
    """And can be ended."""
    subject = ServerUnderTest(workload, up)
    assert subject.note_idle_use(0.5)["stopped_between"] == 1
    await_stopped(up, stopped=True)
    with subject.active():
        await_stopped(up, stopped=False)
        assert subject.paused is False
    await_stopped(up, stopped=True)
    subject.resume()
    await_stopped(up, stopped=False)


def test_a_dead_server_is_named(workload: Workload, up: RunningServer) -> None:
    """By whoever looks next."""
    subject = ServerUnderTest(workload, up)
    subject.check()
    os.kill(up.pid, signal.SIGKILL)
    with pytest.raises(ServerFailed, match="echo has died"):
        while True:  # until the kernel has ended it
            subject.check()


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_a_slice_counts_the_middle_of_its_load(workload: Workload, up: RunningServer) -> None:
    """Under the name of its load, with what server and generator used."""
    piece = ServerUnderTest(workload, up).closed(2, "raw", 1)
    found = piece.run()
    assert (piece.key.workload, piece.key.subject, piece.key.what, piece.key.load) == ("A", "echo", "closed", "c=2 raw")
    assert found.values["window_s"] == pytest.approx(0.7)
    assert 0 < found.values["counted"] < found.values["answers"]
    assert found.values["per_s"] == pytest.approx(found.values["counted"] / 0.7)
    assert found.values["generator_cpu_s"] > 0
    assert found.statuses == {"below 400": found.values["answers"], "400 and above": 0}


def test_the_service_of_another_tree_runs_its_own_code(workload: Workload, tmp_path: Path) -> None:
    """With this environment's Python and these models, under a name of its own."""
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__init__.py").touch()
    (tmp_path / "service" / "__main__.py").write_text(ANOTHER_SERVICE)
    other, own = service(workload, free_port(), tmp_path), service(workload, 1)
    assert (other.name, own.name) == (AGAINST, SERVICE)
    assert other.command[:3] == own.command[:3]
    with running(other) as ready:
        assert ServerUnderTest(workload, ready).name == "against of A"
        assert first_answer(ready.server) == 77
