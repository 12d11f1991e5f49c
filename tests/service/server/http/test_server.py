"""A server of its own process, with an application of a few lines: it ends in time, with a status that is true."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
SERVER = """
import asyncio
from service.server.http.server import serve
from service.settings import Settings
from service.telemetry import log
from service.telemetry.health import Health
from service.telemetry.metrics import Metrics

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
    await asyncio.sleep(60 if scope["path"] == "/slow" else 0)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})

log.configure("info")
raise SystemExit(serve(app, Settings(port=0, host="127.0.0.1", drain_delay_s=0, drain_limit_s=1), Health(), Metrics()))
"""
WATCHDOG = """
import time
from service.server.http.server import ExitWatchdog

watchdog = ExitWatchdog(status=3)
watchdog.end_within(0.1)
watchdog.start()
time.sleep(60)
"""


@contextmanager
def running() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process and its port."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "running on" in line)
        yield process, int(line.rsplit(":", 1)[1])
        process.kill()


def ask(port: int, path: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    client.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path)
    return client


@pytest.mark.parametrize(("path", "status"), [(b"/", 0), (b"/slow", 1)])
def test_the_status_says_whether_all_were_answered(path: bytes, status: int) -> None:
    """After a drain, which ends although a request does not."""
    with running() as (process, port), ask(port, path) as client:
        if status == 0:
            assert client.recv(1000).startswith(b"HTTP/1.1 204")
        else:
            with ask(port, b"/") as later:  # its answer shows that the slow one was accepted
                later.recv(1000)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == status


def test_the_watchdog_ends_a_process_whose_thread_does_not_end() -> None:
    """With the status that it was given."""
    assert subprocess.run([sys.executable, "-c", WATCHDOG], cwd=ROOT, timeout=30, check=False).returncode == 3
