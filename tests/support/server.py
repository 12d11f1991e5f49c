"""A real `snellen serve` process on a free port."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx

from service.server.admin_socket import default_paths


@dataclass
class ServerProcess:
    """The process, its address, and what it has logged so far."""

    process: subprocess.Popen[str]
    url: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ready(self, limit_s: float = 60) -> None:
        """Wait until /readyz says yes."""
        end = time.monotonic() + limit_s
        while httpx.get(f"{self.url}/readyz").status_code != 200:
            assert time.monotonic() < end, self.log
            time.sleep(0.05)


@contextmanager
def running(models: Path, *flags: str, wait: bool | None = True, **environment: str) -> Iterator[ServerProcess]:
    """Serve `models` until the block ends. wait: until it is ready; None: not even until the log has its address."""
    command = ("service", "--port", "0", "--models", str(models), *flags)
    with running_module(*command, wait=wait, environment=environment) as server:
        yield server


@contextmanager
def running_module(
    *command: str, environment: Mapping[str, str], folder: Path | None = None, wait: bool | None = True
) -> Iterator[ServerProcess]:
    """Run `python -m` with this command, which ends in a service on a free port, until the block ends.

    folder: working directory, None for this one.
    """
    # one process, unless the test is about several
    variables = {"SNELLEN_FRONTENDS": "1"} | os.environ | dict(environment)
    with running_command(sys.executable, "-m", *command, environment=variables, folder=folder, wait=wait) as server:
        yield server


@contextmanager
def running_command(
    *command: str, environment: Mapping[str, str], folder: Path | None = None, wait: bool | None = True
) -> Iterator[ServerProcess]:
    """Run a command that ends in a service, and kill it with all that it started when the block ends.

    environment: all variables.
    """
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=folder,
        start_new_session=True,
    )
    server = ServerProcess(process)
    reader = threading.Thread(target=_collect, args=(server,), daemon=True)
    reader.start()
    try:
        if wait is not None:
            _await_address(server)
        if wait:
            server.ready()
        yield server
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reader.join()
        for path in default_paths(server.port) if server.url else []:  # a killed service leaves its socket
            path.unlink(missing_ok=True)
        assert process.stdout is not None
        process.stdout.close()


def _collect(server: ServerProcess) -> None:
    assert server.process.stdout is not None
    for line in server.process.stdout:
        server.lines.append(line)
        if found := re.search(r'running on (https?://[^\s"]+)', line):
            server.url = found[1]


def _await_address(server: ServerProcess, limit_s: float = 60) -> None:
    end = time.monotonic() + limit_s
    while not server.url:
        assert server.process.poll() is None, server.log
        assert time.monotonic() < end, server.log
        time.sleep(0.02)
