"""One server that stays up during all turns of a run, and the loads that it is measured under."""

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
"""CPU use of an idle server, in cores. A server that uses more is stopped (SIGSTOP) between its slices."""
_IDLE_WINDOW_S = 2.0
_WARM_UP_CONNECTIONS, _WARM_UP_S = 8, 1.0


class ServerUnderTest:
    """Makes the slices of one server.

    Running a slice raises what `closed_loop` and `prometheus_scrape` raise, and ServerFailed when the process ended.
    """

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
        """Return the key of this server's measurements, without `what` and `load`."""
        return Key(self.workload.name, self.server.name, "")

    @property
    def form(self) -> str:
        """Return the kind of request body that this server takes: `multipart` or `raw`."""
        return "multipart" if self.server.body == multipart(self.workload) else "raw"

    @contextmanager
    def active(self) -> Iterator[None]:
        """Continue a stopped server; afterwards wait until it is idle, and stop it again where that is needed."""
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
        """Continue a stopped server. Call this before ending it: a stopped process does not handle SIGTERM."""
        if self.paused:
            self._signal(signal.SIGCONT)
            self.paused = False

    def _signal(self, number: signal.Signals) -> None:
        for process in process_tree(self._running.pid):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def check(self) -> None:
        """Raise ServerFailed when the server's process has ended."""
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(self._running.pid).status() != psutil.STATUS_ZOMBIE:
                return
        raise ServerFailed(f"{self.server.name} has died; its log:\n{log_tail(self.server)}")

    def note_idle_use(self, idle_cores: float) -> dict[str, float]:
        """Return what was measured at the start: `seconds` to ready, `rss_mib`, `idle_cores`, `stopped_between`.

        From then on the server is stopped between its slices when `idle_cores` is above IDLE_LIMIT_CORES.
        """
        self._stop_between_slices = idle_cores > IDLE_LIMIT_CORES
        if self._stop_between_slices:
            self._stop()
        return self._start | {"idle_cores": idle_cores, "stopped_between": float(self._stop_between_slices)}

    def warm_up(self) -> None:
        """Run a short closed loop that is not recorded. Raises ServerFailed when the server ends."""
        closed_loop.run(self.server.url, self.server.body, _WARM_UP_CONNECTIONS, _WARM_UP_S)
        await_idle(self._running.pid)
        self.check()

    def cpu_time_s(self) -> float:
        """Return the CPU time of the server's processes since their start."""
        return cpu_s(self._running.pid)

    def stages(self) -> Slice:
        """Return the slice that measures the stage times of single requests."""
        return Slice(self.key._replace(what="stages"), self, lambda: SliceResult(prometheus_scrape.stages(self.server)))

    def closed(self, connections: int, form: str, seconds: float) -> Slice:
        """Return the slice of a closed loop; form: `raw` or `multipart`."""
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
        """Scrape the batch sizes of this tree's service only: another tree may count batches differently."""
        return prometheus_scrape.scrape_batch_sizes(self.server) if self.server.name == SERVICE else None

    def open(self, multiple: float, seconds: float, deadline_ms: int) -> Slice:
        """Return the slice of an open loop at `multiple` times the rate of a closed loop that runs just before."""
        key = self.key._replace(what="open", load=f"{multiple:g}x")
        return Slice(key, self, lambda: self._open(multiple, seconds, deadline_ms))

    def _open(self, multiple: float, seconds: float, deadline_ms: int) -> SliceResult:
        workload = self.workload
        closed = self._closed(workload.parallel_connections, self.server.body, workload.duration_factor)
        peak = closed.values["per_s"]
        await_idle(self._running.pid)
        before = prometheus_scrape.scrape_batch_sizes(self.server)
        with ProcessUsage(self._running.pid) as usage:
            found = _run_open_loop(self.server.url, self.server.body, multiple * peak, seconds, deadline_ms)
        self.check()
        mean, counts = prometheus_scrape.scrape_batch_sizes(self.server).since(before)
        values = found.values | usage.values | {"mean_batch": mean, "peak_per_s": peak}
        return SliceResult(values, found.statuses, counts)


def _run_open_loop(url: str, body: Body, rate: float, seconds: float, deadline_ms: int) -> SliceResult:
    """Run the load generator in a separate process, so that sampling memory and CPU does not slow it down."""
    command = [sys.executable, "-m", "benchmarks.load.open_loop", url, str(body.path), body.content_type]
    command += ["--rate", f"{max(rate, 0.1):.3f}", "--seconds", str(seconds), "--deadline-ms", str(deadline_ms)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found = json.loads(done.stdout)
    return SliceResult(found["values"], found["statuses"])


def idle_cores(servers: Iterable[ServerUnderTest]) -> dict[str, float]:
    """Return the CPU use in cores of each server while no requests are sent, measured at the same time."""
    before = {subject: subject.cpu_time_s() for subject in servers}
    time.sleep(_IDLE_WINDOW_S)
    return {subject.name: (subject.cpu_time_s() - used) / _IDLE_WINDOW_S for subject, used in before.items()}
