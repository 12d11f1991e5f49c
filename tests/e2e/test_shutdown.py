"""Signals to a real process: it always ends, and its status says whether every accepted request was answered."""

import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.bundles import write_bundle
from tests.support.pictures import picture
from tests.support.processes import sample, until
from tests.support.server import ServerProcess, running

RUN = """
import ctypes, threading
from service.engine.onnx_engine import OnnxEngine
usual = OnnxEngine.run
def run(*args):
    return {instead} if threading.current_thread().name.startswith("engine") else usual(*args)
OnnxEngine.run = run
"""
HANG = RUN.format(instead="threading.Event().wait()")
HOLD = RUN.format(instead="ctypes.PyDLL(None).sleep(10_000)")
LONG_S = 40


def with_engine(tmp_path: Path, code: str) -> str:
    """A folder for PYTHONPATH that makes the process run batches in this way, once models are loaded."""
    folder = tmp_path / "python"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    return str(folder)


def classify(server: ServerProcess) -> int | None:
    """The status; None when there was no answer."""
    try:
        return httpx.post(f"{server.url}/v1/classify", content=picture(), timeout=60).status_code
    except httpx.TransportError:
        return None


@pytest.mark.parametrize("frontends", [1, 2])
def test_a_drain_resets_no_connection_that_is_kept_alive(tmp_path: Path, frontends: int) -> None:
    """Answers say that it ends, so that the client opens its next one elsewhere, until no new one is accepted."""
    write_bundle(tmp_path)
    for _ in range(3):
        with (
            running(tmp_path, "--frontends", str(frontends), "--drain-delay-s", "0.5") as server,
            ThreadPoolExecutor(8) as pool,
        ):
            calls = [pool.submit(until_refused, server.port) for _ in range(8)]
            time.sleep(0.5)
            server.terminate()
            answers = [call.result() for call in calls]
            assert server.process.wait(LONG_S) == 0
        assert all(statuses == {200} and closes > 0 for statuses, closes in answers)


def test_a_request_whose_head_has_begun_is_answered(tmp_path: Path) -> None:
    """On a connection that was used before."""
    write_bundle(tmp_path)
    ask = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
    with running(tmp_path, "--drain-delay-s", "0") as server:
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(ask)
            assert b"200 OK" in connection.recv(1000)
            connection.sendall(ask[:20])
            time.sleep(0.2)
            server.terminate()
            time.sleep(0.3)
            connection.sendall(ask[20:])
            answer = connection.recv(1000)
        assert b"200 OK" in answer
        assert b"connection: close" in answer.lower()
        assert server.process.wait(LONG_S) == 0


def until_refused(port: int) -> tuple[set[int], int]:
    """Ask on one connection as long as it is kept alive, then on the next one, until no new one is accepted.

    Returns the statuses, and how many answers ended their connection. Raises OSError when a request gets no answer.
    """
    statuses: set[int] = set()
    closes = 0
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.connect()
        except ConnectionRefusedError:
            return statuses, closes
        with closing(connection):
            while connection.sock is not None:
                connection.request("POST", "/v1/classify", picture())
                answer = connection.getresponse()
                answer.read()
                statuses.add(answer.status)
            closes += 1


@pytest.mark.parametrize("signals", [[signal.SIGTERM, signal.SIGTERM], [signal.SIGINT]])
def test_a_second_signal_skips_the_delay(tmp_path: Path, signals: list[signal.Signals]) -> None:
    """Ctrl-C has none; requests are answered all the same."""
    write_bundle(tmp_path, "slow", matmuls=5)
    with running(tmp_path, "--drain-delay-s", "1000") as server, ThreadPoolExecutor(1) as pool:
        call = pool.submit(classify, server)
        until(lambda: sample(server, 'snellen_pending_images{model="slow",version="1"}') == 1, server)
        for number in signals:
            server.process.send_signal(number)
            time.sleep(0.3)
        assert server.process.wait(LONG_S) == 0
        assert call.result() == 200
    assert "Traceback" not in server.log


def test_a_process_ends_although_a_thread_hangs(tmp_path: Path) -> None:
    """With status 0 when nobody waits for that thread any more."""
    write_bundle(tmp_path, matmuls=3)  # a batch of its own thread: quicker ones are run in the event loop
    hanging = with_engine(tmp_path, HANG)
    with running(tmp_path, "--deadline-s", "1", "--drain-delay-s", "0", PYTHONPATH=hanging) as server:
        assert classify(server) == 504
        server.terminate()
        assert server.process.wait(LONG_S) == 0
    assert "these threads have not ended: " in server.log
    assert "engine_0" in server.log


def test_a_request_that_the_drain_could_not_answer_shows_in_the_status(tmp_path: Path) -> None:
    """The process ends after the drain's limit."""
    write_bundle(tmp_path, matmuls=3)  # a batch of its own thread: quicker ones are run in the event loop
    hanging = with_engine(tmp_path, HANG)
    flags = ["--deadline-s", "1000", "--drain-delay-s", "0", "--drain-limit-s", "1"]
    with running(tmp_path, *flags, PYTHONPATH=hanging) as server, ThreadPoolExecutor(1) as pool:
        call = pool.submit(classify, server)
        time.sleep(0.5)
        server.terminate()
        assert server.process.wait(LONG_S) == 1
        assert call.result() != 200


def test_a_third_signal_ends_the_process(tmp_path: Path) -> None:
    """Whatever hangs, and whoever waits."""
    write_bundle(tmp_path, matmuls=3)  # a batch of its own thread: quicker ones are run in the event loop
    hanging = with_engine(tmp_path, HANG)
    flags = ["--deadline-s", "1000", "--drain-delay-s", "1000", "--drain-limit-s", "1000"]
    with running(tmp_path, *flags, PYTHONPATH=hanging) as server, ThreadPoolExecutor(1) as pool:
        call = pool.submit(classify, server)
        time.sleep(0.5)
        for _ in range(3):
            server.terminate()
            time.sleep(0.5)
        assert server.process.wait(LONG_S) == 1
        assert call.result() != 200


def test_a_process_ends_although_native_code_holds_the_interpreter(tmp_path: Path) -> None:
    """As long as the signal came before; the log says where it hangs."""
    write_bundle(tmp_path, matmuls=3)  # a batch of its own thread: quicker ones are run in the event loop
    holding = with_engine(tmp_path, HOLD)
    flags = ["--drain-delay-s", "1", "--drain-limit-s", "1"]
    with running(tmp_path, *flags, PYTHONPATH=holding) as server, ThreadPoolExecutor(1) as pool:
        server.terminate()
        time.sleep(0.3)
        call = pool.submit(classify, server)
        assert server.process.wait(LONG_S) == 1
        assert call.result() is None
    assert "sitecustomize.py" in server.log
