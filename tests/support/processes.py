"""What /proc and /metrics say about the processes of a service."""

import contextlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx

from tests.support.server import ServerProcess


def until(true: Callable[[], bool], server: ServerProcess, limit_s: float = 60) -> None:
    """Wait for it; the log of the service is shown when it does not come."""
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end, server.log
        time.sleep(0.05)


def frontends_of(server: ServerProcess) -> list[int]:
    return _children(server, "service.frontend")


def engines_of(server: ServerProcess) -> list[int]:
    return _children(server, "service.engine_process")


def checks_of(server: ServerProcess) -> list[int]:
    """Processes that check a version before it is served."""
    return _children(server, "service.check_process")


def hurry_checks(server: ServerProcess) -> None:
    """Give checks that run the priority of the tests, where that is allowed: they starve on a busy machine."""
    for pid in checks_of(server):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, 0)
            Path(f"/proc/{pid}/autogroup").write_text("0")


def decode_workers_of(server: ServerProcess) -> list[int]:
    """Of all processes of the service."""
    parents = [server.process.pid, *frontends_of(server)]
    return [pid for parent in parents for pid in _children_of(parent, "service.decoding.worker_main")]


def descriptors_of(pid: int) -> list[str]:
    """What each open descriptor of a process is, as /proc has it: socket:[inode], /dev/null, a path."""
    return [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]


def connections_of(pid: int, port: int) -> int:
    """Open ones from clients of `port` that this process holds."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        if found := re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink())):
            inodes.add(found[1])
    established = (line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:])
    return sum(
        columns[9] in inodes and columns[3] == "01" and int(columns[1].partition(":")[2], 16) == port
        for columns in established
    )


def sample(server: ServerProcess, name: str) -> float | None:
    """The value of one line of /metrics; None when it is not there."""
    text = httpx.get(f"{server.url}/metrics").text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def _children(server: ServerProcess, module: str) -> list[int]:
    return _children_of(server.process.pid, module)


def _children_of(wanted: int, module: str) -> list[int]:
    """Processes of one kind whose parent is the process `wanted`, oldest first."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            status, command = (folder / "stat").read_text(), (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        state, parent = status.rpartition(")")[2].split()[:2]
        if int(parent) == wanted and state != "Z" and module.encode() in command:
            found.append(int(folder.name))
    return sorted(found)
