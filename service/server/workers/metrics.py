"""Collects `/metrics` of the service: asks every process and sends the sum to the frontend that was scraped."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from service.errors import NotReady
from service.server.workers.control_channel import SCRAPE, SNAPSHOT, ControlChannel, read_memfd, to_memfd
from service.server.workers.process import ManagedProcess
from service.telemetry.aggregation import Family, Sample, Snapshot, added, lasting, rendered, taken
from service.telemetry.metrics import Metrics

_PATIENCE_S = 1.0
"""Seconds to wait for a process that is busy or hangs. After them, its last known metrics are used."""


PROCESSES = Family("snellen_processes", "gauge", "Processes at work, where there are several", [])
RESTARTS = Family("snellen_process_restarts", "counter", "Processes that died and were started again", [])
REFUSED = Family(
    "snellen_refused_processes", "gauge", "Processes not in service, since they cannot load what the others serve", []
)


@dataclass
class _Round:
    """One scrape: the frontend that requested it, and the processes that have not replied yet."""

    asker: ManagedProcess
    token: bytes
    missing: set[str] = field(default_factory=set)


class MetricsCollector:
    """Collects metrics in the main process.

    Counts of ended processes stay in the sum, as of their last scrape.
    """

    def __init__(self, places: Sequence[ManagedProcess]) -> None:
        self._processes = places
        self._latest: dict[str, Snapshot] = {}
        self._of_ended: Snapshot = []
        self._rounds: dict[int, _Round] = {}
        self._number = 0

    def gather(self, asker: ManagedProcess, token: bytes) -> None:
        """Send the sum to `asker` when all processes have replied, or after _PATIENCE_S."""
        self._number = number = self._number + 1
        running = [place for place in self._processes if place.up]
        self._rounds[number] = _Round(asker, token, {place.name for place in running})
        for place in running:
            place.tell(SNAPSHOT, str(number).encode())
        asyncio.get_running_loop().call_later(_PATIENCE_S, self._finish, number)

    def add(self, place: ManagedProcess, number: int, descriptors: Sequence[int]) -> None:
        self._latest[place.name] = json.loads(read_memfd(descriptors[0]))
        self._gone(place, number)

    def ended(self, place: ManagedProcess) -> None:
        """Keep the counters and histograms of an ended process."""
        if snapshot := self._latest.pop(place.name, None):
            self._of_ended = added([self._of_ended, lasting(snapshot)])
        for number in list(self._rounds):
            self._gone(place, number)

    def _gone(self, place: ManagedProcess, number: int) -> None:
        if number in self._rounds:
            self._rounds[number].missing.discard(place.name)
            if not self._rounds[number].missing:
                self._finish(number)

    def _finish(self, number: int) -> None:
        if finished := self._rounds.pop(number, None):
            everything = added([*self._latest.values(), self._of_ended, self._of_places()])
            finished.asker.tell(SCRAPE, finished.token, [to_memfd(json.dumps(everything).encode())])

    def _of_places(self) -> Snapshot:
        """Return the metrics that only the main process can count."""
        ready, restarts, refused = Counter[str](), Counter[str](), Counter[str]()
        for place in self._processes:
            ready[place.kind] += place.ready
            restarts[place.kind] += place.restarts
            refused[place.kind] += bool(place.refused)
        return [
            PROCESSES._replace(samples=_by_kind("snellen_processes", ready)),
            RESTARTS._replace(samples=_by_kind("snellen_process_restarts_total", restarts)),
            REFUSED._replace(samples=_by_kind("snellen_refused_processes", refused)),
        ]


def _by_kind(name: str, counts: Mapping[str, int]) -> list[Sample]:
    return [(name, {"kind": kind}, float(count)) for kind, count in counts.items()]


_CLIENT_TIMEOUT_S = 3.0
"""Seconds to wait for the metrics of all processes."""


class MetricsClient:
    """Exchanges metrics through `channel`, once that is set."""

    def __init__(self, metrics: Metrics) -> None:
        self.channel: ControlChannel | None = None
        self._metrics = metrics
        self._asked: dict[int, asyncio.Future[bytes]] = {}
        self._numbers = itertools.count()

    async def scrape(self) -> bytes:
        """Return the metrics of all processes in Prometheus's text format. Raises NotReady."""
        number = next(self._numbers)
        came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked[number] = came
        try:
            async with asyncio.timeout(_CLIENT_TIMEOUT_S):
                if self.channel is not None:
                    self.channel.send(SCRAPE, str(number).encode())
                return rendered(await came)
        except TimeoutError:
            raise NotReady("the metrics of the other processes did not arrive; ask again") from None
        finally:
            del self._asked[number]

    def hear(self, kind: bytes, text: bytes, descriptors: Sequence[int]) -> None:
        """Handle a SNAPSHOT or SCRAPE message of the main process."""
        if kind == SNAPSHOT and self.channel is not None:
            self.channel.send(SNAPSHOT, text, [to_memfd(taken(self._metrics.registry))])
        elif kind == SCRAPE:
            snapshot, came = read_memfd(descriptors[0]), self._asked.get(int(text))
            if came is not None and not came.done():
                came.set_result(snapshot)
