"""Measure what clients lose when a part of the service fails under load.

    .venv/bin/python -m benchmarks.scenarios.faults [FAULT ...] [--seconds 12]

Six keep-alive clients send a small image and two clients a large one, in closed loops; a client that loses its
connection opens another one at once. The fault happens after a third of the time. For each fault the program prints a
row of the Markdown table in docs/reliability.md. The exit status is 1 when a fault costs more than that page promises.
"""

import http.client
import io
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Annotated, Any

import psutil  # type: ignore[import-untyped]
import typer
from PIL import Image

from benchmarks.harness.server_process import free_port
from benchmarks.workloads import ROOT

_MODEL = "fashion-mnist"
_SMALL_CLIENTS, _LARGE_CLIENTS = 6, 2
_READY_S = 60.0
_HANG_LIMIT_S = 3
TWO_FRONTENDS = ("--frontends", "2")
TWO_FRONTENDS_ONE_ENGINE = ("--frontends", "2", "--engines", "1")


@dataclass
class Service:
    """The running service. folder: the models folder that it reads."""

    process: "Popen[bytes]"
    port: int
    folder: Path

    def processes(self, module: str) -> list[int]:
        """Return process ids, lowest first, of a module: `frontend`, `engine_process` or `worker_main`."""
        found = []
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if child.cmdline()[-1:] != [] and any(part.endswith(f".{module}") for part in child.cmdline()):
                        found.append(child.pid)
        return sorted(found)


@dataclass
class ClientCounts:
    """What the clients counted: answers by status, requests without an answer, and times of the good answers (s)."""

    statuses: Counter[int] = field(default_factory=Counter)
    lost: int = 0
    refused_connections: int = 0
    good_at: list[float] = field(default_factory=list)

    @property
    def longest_gap_s(self) -> float:
        """Return the longest time between two consecutive good answers of all clients together."""
        times = sorted(self.good_at)
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)


@dataclass(frozen=True)
class Fault:
    """One fault and what it may cost.

    inject: causes the fault. max_lost: limit of requests without an answer, one for each connection that the fault
    closes. flags: command line options of the service. ends_service: the service exits because of the fault.
    stderr: where the log goes: a path, or `pipe` for a pipe that is not read; empty: discarded.
    """

    description: str
    inject: Callable[[Service], None]
    max_lost: int
    flags: tuple[str, ...] = TWO_FRONTENDS
    ends_service: bool = False
    stderr: str = ""


def _signal(module: str, number: signal.Signals) -> Callable[[Service], None]:
    return lambda service: os.kill(service.processes(module)[0], number)


def _signal_supervisor(number: signal.Signals) -> Callable[[Service], None]:
    return lambda service: os.kill(service.process.pid, number)


def _change_folder(service: Service) -> None:
    """Change every manifest on disk, then kill a frontend: its replacement reads the changed folder."""
    for manifest in service.folder.glob("*/*/manifest.json"):
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"description": "changed"}))
    os.kill(service.processes("frontend")[0], signal.SIGKILL)


def _flood(service: Service) -> None:
    """Six clients post JSON bodies of 30 MiB that are costly for a general parser, four each."""
    mib = 1024 * 1024
    bodies = [
        b"[" + b"[]," * (10 * mib) + b"[]]",
        b'{"images": ["' + b"aG " * (10 * mib) + b'"]}',
        b'{"images": ["' + b"a" * (30 * mib) + "\N{GRINNING FACE}".encode() + b'"]}',
    ]

    def post(first: int) -> None:
        for number in range(first, first + 4):
            connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
            with suppress(OSError, http.client.HTTPException):
                body = bodies[number % len(bodies)]
                connection.request("POST", "/v1/classify", body, {"Content-Type": "application/json"})
                connection.getresponse().read()
            connection.close()

    for first in range(6):
        threading.Thread(target=post, args=(first,)).start()


_CLIENTS = _SMALL_CLIENTS + _LARGE_CLIENTS
FAULTS = {
    "frontend-killed": Fault("a frontend is killed", _signal("frontend", signal.SIGKILL), _CLIENTS // 2 + 1),
    "frontend-stopped": Fault("a frontend hangs (SIGSTOP)", _signal("frontend", signal.SIGSTOP), _CLIENTS // 2 + 1),
    "engine-killed": Fault(
        "an engine is killed", _signal("engine_process", signal.SIGKILL), 0, TWO_FRONTENDS_ONE_ENGINE
    ),
    "engine-stopped": Fault(
        "an engine hangs (SIGSTOP)", _signal("engine_process", signal.SIGSTOP), 0, TWO_FRONTENDS_ONE_ENGINE
    ),
    "worker-killed": Fault("a decode worker is killed", _signal("worker_main", signal.SIGKILL), 0),
    "worker-stopped": Fault("a decode worker hangs (SIGSTOP)", _signal("worker_main", signal.SIGSTOP), 0),
    "supervisor-killed": Fault("the main process is killed", _signal_supervisor(signal.SIGKILL), 0, ends_service=True),
    "supervisor-stopped": Fault("the main process hangs (SIGSTOP)", _signal_supervisor(signal.SIGSTOP), 0),
    "drain": Fault("the service is told to end (SIGTERM)", _signal_supervisor(signal.SIGTERM), 0, ends_service=True),
    "disk-full": Fault(
        "the disk of log and profile cache is full",
        lambda _: None,
        0,
        (*TWO_FRONTENDS, "--profile-cache", "/dev/full/cache"),
        stderr="/dev/full",
    ),
    "log-blocked": Fault(
        "the log pipe is not read", lambda _: None, 0, (*TWO_FRONTENDS, "--access-log"), stderr="pipe"
    ),
    "json-flood": Fault("six clients post 30 MiB of awkward JSON each, four times", _flood, 0),
    "folder-changed": Fault("the models folder changes and a frontend is killed", _change_folder, _CLIENTS // 2 + 1),
}


def encoded_jpeg(size: tuple[int, int]) -> bytes:
    """Return a JPEG of one colour; size: width and height."""
    stream = io.BytesIO()
    Image.new("RGB", size, (20, 230, 20)).save(stream, "JPEG", quality=95)
    return stream.getvalue()


@contextmanager
def started(fault: Fault) -> Iterator[Service]:
    """Run a service with the fault's options and a small network; enter once all its processes are ready."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "models" / _MODEL, Path(folder) / _MODEL)
        command = [sys.executable, "-m", "service", "--port", str(port), "--models", folder]
        command += [*fault.flags, "--worker-timeout-s", str(_HANG_LIMIT_S)]
        reading, log = os.pipe() if fault.stderr == "pipe" else (-1, os.open(fault.stderr or os.devnull, os.O_WRONLY))
        process = Popen(command, stdout=DEVNULL, stderr=log, cwd=ROOT)
        os.close(log)
        service = Service(process, port, Path(folder))
        try:
            _await_all(service, fault.flags)
            yield service
        finally:
            for pid in [*service.processes("frontend"), *service.processes("engine_process"), process.pid]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
            if reading >= 0:
                os.close(reading)


def _await_all(service: Service, flags: tuple[str, ...]) -> None:
    """Wait until the metrics report all processes. Raises TimeoutError after _READY_S."""
    end_s = time.monotonic() + _READY_S
    counts = {
        kind: int(flags[flags.index(f"--{kind}s") + 1]) for kind in ("frontend", "engine") if f"--{kind}s" in flags
    }
    lines = [f'snellen_processes{{kind="{kind}"}} {count:.1f}' for kind, count in counts.items()]
    while True:
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=5)
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
            connection.close()
            if all(line in text for line in lines):
                return
        if time.monotonic() > end_s:
            raise TimeoutError("the service is not ready")
        time.sleep(0.1)


def _run_client(port: int, body: bytes, counts: ClientCounts, ended: threading.Event) -> None:
    """Run one client: send requests one after another until `ended` is set."""
    while not ended.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.connect()
        except OSError:
            counts.refused_connections += 1
            time.sleep(0.05)
            continue
        try:
            while not ended.is_set() and connection.sock is not None:
                connection.request("POST", "/v1/classify", body)
                answer = connection.getresponse()
                answer.read()
                counts.statuses[answer.status] += 1
                if answer.status == 200:
                    counts.good_at.append(time.monotonic())
        except (OSError, http.client.HTTPException):
            counts.lost += 1
        finally:
            connection.close()


def measure(fault: Fault, seconds: float) -> ClientCounts:
    """Run the clients, cause the fault, and return what the clients counted."""
    counts, ended = ClientCounts(), threading.Event()
    bodies = [encoded_jpeg((40, 30))] * _SMALL_CLIENTS + [encoded_jpeg((2000, 1500))] * _LARGE_CLIENTS
    with started(fault) as service:
        clients = [threading.Thread(target=_run_client, args=(service.port, body, counts, ended)) for body in bodies]
        for client in clients:
            client.start()
        time.sleep(seconds / 3)
        fault.inject(service)
        time.sleep(seconds * 2 / 3)
        ended.set()
        with suppress(ProcessLookupError):
            os.kill(service.process.pid, signal.SIGCONT)
        for client in clients:
            client.join()
    return counts


def row(name: str, fault: Fault, counts: ClientCounts) -> str:
    """Return the row of the Markdown table."""
    others = ", ".join(f"{count} x {status}" for status, count in sorted(counts.statuses.items()) if status != 200)
    gap = "-" if fault.ends_service else f"{counts.longest_gap_s:.2f}"
    return f"| `{name}` | {fault.description} | {counts.statuses[200]} | {counts.lost} | {others or '-'} | {gap} |"


def main(
    faults: Annotated[list[str] | None, typer.Argument(help=f"Some of {', '.join(FAULTS)}; all by default.")] = None,
    seconds: Annotated[float, typer.Option(min=3, help="Duration of the load around each fault.")] = 12,
) -> None:
    """Print a row for each fault; exit with status 1 when one costs more than is promised."""
    print("| Fault | What happens | Answered 200 | Without an answer | Other answers | Longest silence, s |")
    print("|---|---|--:|--:|--:|--:|", flush=True)
    broken: list[str] = []
    chosen: dict[str, Any] = {name: FAULTS[name] for name in faults or FAULTS}
    for name, fault in chosen.items():
        counts = measure(fault, seconds)
        print(row(name, fault, counts), flush=True)
        if counts.lost > fault.max_lost or counts.statuses.keys() - {200, 503}:
            broken.append(name)
    if broken:
        sys.exit(f"more was lost than is promised: {', '.join(broken)}")


if __name__ == "__main__":
    typer.run(main)
