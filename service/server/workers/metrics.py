"""Collects `/metrics` of the service: asks every process and sends the sum to the frontend that was scraped."""

import asyncio
import itertools
import json
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from service.server.workers.control_channel import SCRAPE, SNAPSHOT, read_memfd, to_memfd
from service.server.workers.process import ManagedProcess
from service.telemetry.aggregation import (
    Family,
    Registry,
    Snapshot,
    collect_snapshot,
    counters_only,
    merge_snapshots,
    of_versions,
)

_TIMEOUT_S = 1.0
"""Time to wait for a process that is busy or hangs. After it, its last known metrics are used."""

PROCESSES = Family("snellen_processes", "gauge", "Processes at work, where there are several", [])
RESTARTS = Family("snellen_process_restarts", "counter", "Processes that died and were started again", [])
REFUSED = Family(
    "snellen_refused_processes", "gauge", "Processes not in service, since they cannot load what the others serve", []
)


@dataclass
class _Scrape:
    """A request of a frontend for the sum, and the processes that have not replied yet."""

    frontend: ManagedProcess
    token: bytes
    missing: set[str]


class MetricsCollector:
    """Collects metrics in the main process.

    Counts of ended processes stay in the sum, as of their last scrape; those of a version until it is gone.
    """

    def __init__(
        self, processes: Sequence[ManagedProcess], served: Callable[[], Container[str]], own: Registry | None = None
    ) -> None:
        """Create a collector.

        served: returns the names of the versions that there are, as in `imagenet/1`. own: what this process counts
        itself.
        """
        self._processes, self._served, self._own = processes, served, own
        self._latest: dict[str, Snapshot] = {}
        self._of_ended: Snapshot = []
        self._scrapes: dict[int, _Scrape] = {}
        self._numbers = itertools.count()

    def scrape(self, frontend: ManagedProcess, token: bytes) -> None:
        """Send the sum to `frontend` when all processes have replied, or after _TIMEOUT_S."""
        number, running = next(self._numbers), [process for process in self._processes if process.up]
        self._scrapes[number] = _Scrape(frontend, token, {process.name for process in running})
        for process in running:
            process.send(SNAPSHOT, str(number).encode())
        asyncio.get_running_loop().call_later(_TIMEOUT_S, self._finish, number)

    def add(self, process: ManagedProcess, number: int, descriptor: int) -> None:
        """Use the reply of a process to a scrape."""
        self._latest[process.name] = json.loads(read_memfd(descriptor))
        self._replied(process, number)

    def ended(self, process: ManagedProcess) -> None:
        """Keep the counters and histograms of an ended process."""
        if snapshot := self._latest.pop(process.name, None):
            self._of_ended = merge_snapshots([self._of_ended, counters_only(snapshot)])
        for number in list(self._scrapes):
            self._replied(process, number)

    def _replied(self, process: ManagedProcess, number: int) -> None:
        if number in self._scrapes:
            self._scrapes[number].missing.discard(process.name)
            if not self._scrapes[number].missing:
                self._finish(number)

    def _finish(self, number: int) -> None:
        if finished := self._scrapes.pop(number, None):
            self._of_ended = of_versions(self._of_ended, self._served())
            own = [] if self._own is None else counters_only(json.loads(collect_snapshot(self._own)))
            everything = merge_snapshots([*self._latest.values(), self._of_ended, own, self._of_processes()])
            finished.frontend.send(SCRAPE, finished.token, [to_memfd(json.dumps(everything).encode())])

    def _of_processes(self) -> Snapshot:
        """Return the metrics that only the main process can count, with a sample for each process."""

        def family(kind: Family, name: str, value: Callable[[ManagedProcess], float]) -> Family:
            return kind._replace(samples=[(name, {"kind": each.kind}, float(value(each))) for each in self._processes])

        return [
            family(PROCESSES, "snellen_processes", lambda process: process.ready),
            family(RESTARTS, "snellen_process_restarts_total", lambda process: process.restarts),
            family(REFUSED, "snellen_refused_processes", lambda process: bool(process.refused)),
        ]
