"""A server that stays up while others have their turn, and the loads that it is put under."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import psutil  # type: ignore[import-untyped]

from benchmarks.harness import prometheus_scrape
from benchmarks.harness.interleaving import Slice, SliceResult
from benchmarks.harness.process_usage import MIB, ProcessUsage, await_idle, cpu_s, process_tree, rss_bytes
from benchmarks.harness.results import Key
from benchmarks.harness.server_process import RunningServer, ServerFailed, log_tail
from benchmarks.harness.servers import SERVICE, multipart, raw
from benchmarks.load import closed_loop
from benchmarks.load.closed_loop import Body
from benchmarks.workloads import ROOT, Workload

IDLE_LIMIT_CORES = 0.02
"""A server that uses more than this while nobody asks it is stopped between its slices."""
_LOOK_S = 2.0
_WARM_UP_CONNECTIONS, _WARM_UP_S = 8, 1.0


class ServerUnderTest:
    """One server of the turns; raises what closed_loop and scrape raise, and ServerFailed once it has died."""

    def __init__(self, workload: Workload, running: RunningServer) -> None:
        self.workload = workload
        self.server = running.server
        self.name = f"{running.server.name} of {workload.name}"
        self.paused = False
        self._running = running
        self._start = {"seconds": running.start_s, "rss_mib": rss_bytes(running.pid) / MIB}
        self._stop_between_slices = False

    @property
    def key(self) -> Key:
        return Key(self.workload.name, self.server.name, "")

    @property
    def form(self) -> str:
        return "multipart" if self.server.body == multipart(self.workload) else "raw"

    @contextmanager
    def active(self) -> Iterator[None]:
        """Continued if it was stopped, and afterwards at rest again."""
        self.resume()
        try:
            yield
        finally:
            await_idle(self._running.pid)
            if self._stop_between_slices:
                self._stop()

    def _stop(self) -> None:
        self._signal(signal.SIGSTOP)
        self.paused = True

    def resume(self) -> None:
        """It must not end while it is stopped: it would not hear that it should."""
        if self.paused:
            self._signal(signal.SIGCONT)
            self.paused = False

    def _signal(self, number: signal.Signals) -> None:
        for process in process_tree(self._running.pid):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def check(self) -> None:
        """Raises ServerFailed when its process has ended."""
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(self._running.pid).status() != psutil.STATUS_ZOMBIE:
                return
        raise ServerFailed(f"{self.server.name} has died; its log:\n{log_tail(self.server)}")

    def note_idle_use(self, idle_cores: float) -> dict[str, float]:
        """How it started and what it uses while idle; from then on it is stopped between its slices if that is much."""
        self._stop_between_slices = idle_cores > IDLE_LIMIT_CORES
        if self._stop_between_slices:
            self._stop()
        return self._start | {"idle_cores": idle_cores, "stopped_between": float(self._stop_between_slices)}

    def warm_up(self) -> None:
        closed_loop.run(self.server.url, self.server.body, _WARM_UP_CONNECTIONS, _WARM_UP_S)
        await_idle(self._running.pid)
        self.check()

    def cpu_time_s(self) -> float:
        return cpu_s(self._running.pid)

    def stages(self) -> Slice:
        return Slice(self.key._replace(what="stages"), self, lambda: SliceResult(prometheus_scrape.stages(self.server)))

    def closed(self, connections: int, form: str, seconds: float) -> Slice:
        body = raw(self.workload) if form == "raw" else multipart(self.workload)
        key = self.key._replace(what="closed", load=f"c={connections} {form}")
        return Slice(key, self, lambda: self._closed(connections, body, seconds))

    def _closed(self, connections: int, body: Body, seconds: float) -> SliceResult:
        before = self._batches()
        with ProcessUsage(self._running.pid) as usage:
            values = closed_loop.run(self.server.url, body, connections, seconds, windowed=True)
        self.check()
        mean, counts = prometheus_scrape.scrape_batch_sizes(self.server).since(before) if before else (0.0, {})
        failed = int(values["failed"])
        statuses = {"below 400": int(values["answers"]) - failed, "400 and above": failed}
        return SliceResult(values | usage.values | ({"mean_batch": mean} if before else {}), statuses, counts)

    def _batches(self) -> prometheus_scrape.BatchSizes | None:
        """Of our service alone: the other working tree's may count otherwise."""
        return prometheus_scrape.scrape_batch_sizes(self.server) if self.server.name == SERVICE else None

    def open(self, multiple: float, seconds: float, deadline_ms: int) -> Slice:
        """At a multiple of what a closed loop reaches just before."""
        key = self.key._replace(what="open", load=f"{multiple:g}x")
        return Slice(key, self, lambda: self._open(multiple, seconds, deadline_ms))

    def _open(self, multiple: float, seconds: float, deadline_ms: int) -> SliceResult:
        peak = self._closed(self.workload.parallel_connections, self.server.body, self.workload.duration_factor).values[
            "per_s"
        ]
        await_idle(self._running.pid)
        before = prometheus_scrape.scrape_batch_sizes(self.server)
        with ProcessUsage(self._running.pid) as usage:
            found = _run_open_loop(self.server.url, self.server.body, multiple * peak, seconds, deadline_ms)
        self.check()
        mean, counts = prometheus_scrape.scrape_batch_sizes(self.server).since(before)
        values = found.values | usage.values | {"mean_batch": mean, "peak_per_s": peak}
        return SliceResult(values, found.statuses, counts)


def _run_open_loop(url: str, body: Body, rate: float, seconds: float, deadline_ms: int) -> SliceResult:
    """The generator is a process of its own, so that watching does not slow it down."""
    command = [sys.executable, "-m", "benchmarks.load.open_loop", url, str(body.path), body.content_type]
    command += ["--rate", f"{max(rate, 0.1):.3f}", "--seconds", str(seconds), "--deadline-ms", str(deadline_ms)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found = json.loads(done.stdout)
    return SliceResult(found["values"], found["statuses"])


def idle_cores(servers: Iterable[ServerUnderTest]) -> dict[str, float]:
    """What each uses while nobody asks it, all at the same time, in cores."""
    before = {subject: subject.cpu_time_s() for subject in servers}
    time.sleep(_LOOK_S)
    return {subject.name: (subject.cpu_time_s() - used) / _LOOK_S for subject, used in before.items()}
