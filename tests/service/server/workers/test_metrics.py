"""Sums of what processes count: asked for by a frontend, with processes that answer late or have ended."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from service.server.workers import metrics
from service.server.workers.control_channel import SCRAPE, SNAPSHOT, read_memfd, to_memfd
from service.server.workers.metrics import MetricsCollector
from service.server.workers.process import ManagedProcess
from service.telemetry.aggregation import Family
from service.telemetry.metrics import AdminPortMetrics


class Process(ManagedProcess):
    """Without a process: what it would be sent."""

    def send(self, kind: bytes, text: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        self.messages.append((kind, text, descriptors))

    @property
    def messages(self) -> list[tuple[bytes, bytes, Sequence[int]]]:
        return vars(self).setdefault("_messages", [])  # type: ignore[no-any-return]

    def reply(self, collector: MetricsCollector, images: float, **labels: str) -> None:
        """Answer the last scrape."""
        kind, number, _ = self.messages[-1]
        assert kind == SNAPSHOT
        counted = [Family("snellen_images", "counter", "", [("snellen_images_total", labels, images)])]
        collector.add(self, int(number), to_memfd(json.dumps(counted).encode()))


@pytest.fixture
def processes() -> list[Process]:
    return [Process("frontend", number, "", {}, up=True, ready=True, restarts=number) for number in range(2)]


def sums(process: Process) -> dict[str, float]:
    """By name of the sample, from the message that answers the scrape."""
    kind, token, (descriptor,) = process.messages[-1]
    assert (kind, token) == (SCRAPE, b"7")
    families = [Family(*family) for family in json.loads(read_memfd(descriptor))]
    return {name: value for family in families for name, _, value in family.samples}


async def test_the_sum_is_sent_when_all_have_replied(processes: list[Process]) -> None:
    """With what only the main process knows."""
    collector = MetricsCollector(processes, set)
    collector.scrape(processes[0], b"7")
    processes[1].reply(collector, 2)
    assert processes[0].messages[-1][0] == SNAPSHOT
    processes[0].reply(collector, 3)
    found = sums(processes[0])
    assert (found["snellen_images_total"], found["snellen_process_restarts_total"]) == (5, 1)
    assert (found["snellen_processes"], found["snellen_refused_processes"]) == (2, 0)


async def test_a_process_that_hangs_is_not_waited_for(
    processes: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last counts stay in the sum."""
    collector = MetricsCollector(processes, set)
    collector.scrape(processes[0], b"6")
    for process in processes:
        process.reply(collector, 1)
    monkeypatch.setattr(metrics, "_TIMEOUT_S", 0)
    collector.scrape(processes[0], b"7")
    processes[0].reply(collector, 2)
    await asyncio.sleep(0.01)
    assert sums(processes[0])["snellen_images_total"] == 3


async def test_what_an_ended_process_counted_stays(processes: list[Process]) -> None:
    """A scrape that waits for it ends with it."""
    collector = MetricsCollector(processes, set)
    collector.scrape(processes[0], b"6")
    for process in processes:
        process.reply(collector, 1)
    collector.scrape(processes[0], b"7")
    processes[0].reply(collector, 2)
    collector.ended(processes[1])
    assert sums(processes[0])["snellen_images_total"] == 3


async def test_what_the_main_process_counts_itself_is_in_the_sum(processes: list[Process]) -> None:
    """Its counters, not its gauges: those of the frontends say what holds."""
    own = AdminPortMetrics()
    own.requests.unauthenticated.labels("missing").inc()
    own.requests.queue_limit.set(7)
    collector = MetricsCollector(processes, set, own.registry)
    collector.scrape(processes[0], b"7")
    for process in processes:
        process.reply(collector, 1)
    found = sums(processes[0])
    assert found["snellen_unauthenticated_requests_total"] == 1
    assert "snellen_queue_limit" not in found


async def test_what_an_ended_process_counted_of_a_version_goes_with_that_version(processes: list[Process]) -> None:
    """Else its series would stay until the end of the service."""
    served = {"colours/1"}
    collector = MetricsCollector(processes, lambda: served)
    collector.scrape(processes[0], b"6")
    for process in processes:
        process.reply(collector, 1, model="colours", version="1")
    processes[1].up = False
    collector.ended(processes[1])
    collector.scrape(processes[0], b"7")
    processes[0].reply(collector, 1, model="colours", version="1")
    assert sums(processes[0])["snellen_images_total"] == 2
    served.clear()
    collector.scrape(processes[0], b"7")
    processes[0].reply(collector, 3)
    assert sums(processes[0])["snellen_images_total"] == 3
    served.add("colours/1")
    collector.scrape(processes[0], b"7")
    processes[0].reply(collector, 1, model="colours", version="1")
    assert sums(processes[0])["snellen_images_total"] == 1
