"""Measure memory and CPU time of a process and its descendants."""

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

import psutil  # type: ignore[import-untyped]

_INTERVAL_S = 0.1
MIB = 2**20


def process_tree(pid: int) -> list[psutil.Process]:
    """Return the process and its descendants; empty when the process has ended."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def rss_bytes(pid: int) -> int:
    """Return the sum of resident memory; pages that several processes share count in each."""
    return _rss_bytes(process_tree(pid))


def _rss_bytes(processes: Iterable[psutil.Process]) -> int:
    return sum(int(_read_or_zero(process, lambda p: p.memory_info().rss)) for process in processes)


def pss_bytes(pid: int) -> int:
    """Return the sum of proportional memory: of a page that n processes share, each counts one n-th. Linux only."""
    return sum(int(_read_or_zero(process, _pss_bytes)) for process in process_tree(pid))


def _pss_bytes(process: psutil.Process) -> int:
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def cpu_s(pid: int) -> float:
    """Return user and system time of the processes that are alive."""
    return sum(_read_or_zero(process, lambda p: sum(p.cpu_times()[:2])) for process in process_tree(pid))


def await_idle(pid: int, limit_s: float = 10.0) -> None:
    """Wait until the processes use less than a tenth of a core, so that one load does not disturb the next."""
    end = time.monotonic() + limit_s
    used = cpu_s(pid)
    while time.monotonic() < end:
        time.sleep(_INTERVAL_S)
        before, used = used, cpu_s(pid)
        if used - before < 0.1 * _INTERVAL_S:
            return


def _read_or_zero(process: psutil.Process, read: Callable[[psutil.Process], float]) -> float:
    try:
        return read(process)
    except psutil.NoSuchProcess:
        return 0


class ProcessUsage:
    """Samples memory and CPU time of a process and its descendants during a `with` block, ten times per second.

    Descendants are listed before and after the block only, because listing reads all processes of the machine and the
    load needs the cores. Processes that start during the block count in the sample after it.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.values: dict[str, float] = {}

    def __enter__(self) -> "ProcessUsage":
        self._processes = process_tree(self._pid)
        self._before, self._cpu_before = _rss_bytes(self._processes), cpu_s(self._pid)
        self._peak = self._before
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._end.wait(_INTERVAL_S):
            self._peak = max(self._peak, _rss_bytes(self._processes))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()
        after = rss_bytes(self._pid)
        self.values = {
            "rss_before_mib": self._before / MIB,
            "rss_peak_mib": max(self._peak, after) / MIB,
            "rss_after_mib": after / MIB,
            "cpu_s": cpu_s(self._pid) - self._cpu_before,
        }
