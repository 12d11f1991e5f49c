"""Run servers as processes: start, wait for readiness, and end them with all their descendants."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

from benchmarks.harness.process_usage import process_tree
from benchmarks.harness.servers import Server, environment, log_path

_READY_LIMIT_S = 60.0
_STOP_LIMIT_S = 15.0
_POLL_S = 0.01
_ANSWER_LIMIT_S = 30.0


class ServerFailed(RuntimeError):
    """A server did not become ready or gave a wrong answer; the message ends with its log."""


@dataclass(frozen=True)
class RunningServer:
    """A server that is ready. start_s: seconds from the start of the process until it was ready."""

    server: Server
    pid: int
    start_s: float


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(server: Server) -> Iterator[RunningServer]:
    """Run a server inside a `with` block. Raises ServerFailed when it is not ready in time or answers wrongly."""
    log_path(server).parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with log_path(server).open("w") as log:
        process = subprocess.Popen(
            server.command, stdout=log, stderr=log, cwd=server.root, env=environment(server), start_new_session=True
        )
    try:
        _await_ready(server, process)
        ready = RunningServer(server, process.pid, time.perf_counter() - started)
        first_answer(server)
        yield ready
    finally:
        _stop(process)


def _await_ready(server: Server, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _READY_LIMIT_S
    while process.poll() is None and time.monotonic() < end:
        with suppress(OSError, http.client.HTTPException):
            if (_get(server) if server.ready_path else post(server)[0]) == 200:
                return
        time.sleep(_POLL_S)
    raise ServerFailed(f"{server.name} is not ready; its log:\n{log_tail(server)}")


def log_tail(server: Server) -> str:
    """Return the last 3000 characters of the server's log."""
    return log_path(server).read_text(errors="replace")[-3000:]


def _get(server: Server) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_ANSWER_LIMIT_S)
    try:
        connection.request("GET", server.ready_path or "/")
        return connection.getresponse().status
    finally:
        connection.close()


def post(server: Server) -> tuple[int, bytes]:
    """Post the workload's image once. Return status and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_ANSWER_LIMIT_S)
    try:
        headers = {"Content-Type": server.body.content_type}
        connection.request("POST", server.path, server.body.path.read_bytes(), headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def first_answer(server: Server) -> int | None:
    """Return the most probable class for the image, or None for the echo server. Raises ServerFailed otherwise."""
    status, body = post(server)
    try:
        if status != 200:
            raise ValueError(status)
        document = json.loads(body)
        if "bytes" in document:
            return None
        result = document["results"][0] if "results" in document else document
        return int(max(result["predictions"], key=lambda entry: entry["probability"])["class_id"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ServerFailed(f"{server.name} answered {status}: {body[:500]!r}") from error


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Terminate, wait, then kill what is left, including descendants in sessions of their own."""
    processes = process_tree(process.pid)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_LIMIT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for descendant in processes:
        with suppress(psutil.NoSuchProcess):
            descendant.kill()
    process.wait()
