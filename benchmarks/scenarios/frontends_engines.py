"""Measure how throughput depends on the numbers of frontends and engine processes, with a simulated device.

    .venv/bin/python -m benchmarks.scenarios.frontends_engines [--seconds 5]

The simulated device takes a time per batch that a table gives and uses no CPU. So the measurement is about the
frontends, the messages to the engine process, and how full batches are. The workloads are A and B of the other
benchmarks; the loads are closed loops of wrk on this machine.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NamedTuple

import typer

from benchmarks.harness import prometheus_scrape, simulated
from benchmarks.harness.prepare_inputs import prepare
from benchmarks.harness.process_usage import cpu_s
from benchmarks.harness.server_process import RunningServer, free_port, running
from benchmarks.harness.servers import service
from benchmarks.load import closed_loop
from benchmarks.workloads import WORKLOADS, Workload
from models.contract import usable_cores

DEVICE = "1:1.0,8:1.3,32:2.5,128:8.0"
"""Milliseconds by batch size of the simulated device: about a small network on a fast GPU, 16,000 images/s."""


_HEAD = "| workload | frontends | engines | connections | answers/s | to 1 frontend | p50 ms | p99 ms | cores | CPU ms "
_HEAD += "| batch |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"


class ProcessCounts(NamedTuple):
    """Numbers of frontends and of engine processes."""

    frontends: int
    engines: int


PROCESS_COUNTS = (
    ProcessCounts(1, 0),
    ProcessCounts(2, 0),
    ProcessCounts(1, 1),
    ProcessCounts(2, 1),
    ProcessCounts(3, 1),
)


class LoadRow(NamedTuple):
    """The result of one load on one arrangement of processes. cores: used by the service, without those of wrk."""

    per_s: float
    failed: int
    p50_ms: float
    p99_ms: float
    cores: float
    batch: float

    @property
    def cpu_ms(self) -> float:
        """Return the CPU time of the service per answer, in ms."""
        return self.cores / self.per_s * 1000 if self.per_s else 0.0


@contextmanager
def served(workload: Workload, counts: ProcessCounts, device: str) -> Iterator[RunningServer]:
    """Run the service with these numbers of processes; enter once all of them have answered requests."""
    server = service(workload, free_port())
    flags = ["--frontends", str(counts.frontends), "--engines", str(counts.engines), "--max-batch-size", "128"]
    flags += ["--max-queue", "1024", "--drain-delay-s", "0"]
    environment = simulated.environment(device)
    with running(dataclasses.replace(server, command=server.command + flags, environment=environment)) as ready:
        # Warm up; afterwards the last frontend is ready too.
        closed_loop.run(ready.server.url, ready.server.body, 32, 2)
        yield ready


def loaded(ready: RunningServer, connections: int, seconds: float) -> LoadRow:
    """Run one closed loop and return its result."""
    before, cpu = prometheus_scrape.scrape_batch_sizes(ready.server), cpu_s(ready.pid)
    values = closed_loop.run(ready.server.url, ready.server.body, connections, seconds)
    cores = (cpu_s(ready.pid) - cpu) / values["seconds"]
    batch, _ = prometheus_scrape.scrape_batch_sizes(ready.server).since(before)
    p50, p99 = values.get("p50_ms", 0.0), values.get("p99_ms", 0.0)
    return LoadRow(values["per_s"], int(values["failed"]), p50, p99, cores, batch)


def main(
    seconds: Annotated[float, typer.Option(help="Duration of each load.")] = 5,
    workloads: Annotated[str, typer.Option(help="Separated by commas.")] = "A,B",
    connections: Annotated[str, typer.Option(help="Separated by commas.")] = "1,32,256",
    device: Annotated[str, typer.Option(help="Milliseconds by batch size; empty: the real network, on CPU.")] = DEVICE,
    rounds: Annotated[
        int, typer.Option(help="Repetitions, of which the best counts: other programs only slow down.")
    ] = 1,
) -> None:
    """Print a row for each workload, arrangement of processes and number of connections."""
    chosen = [WORKLOADS[name] for name in workloads.split(",")]
    prepare(chosen)
    typer.echo(f"{usable_cores()} cores, device {device or 'CPU'}\n")
    typer.echo(_HEAD)
    for workload in chosen:
        first: dict[int, float] = {}
        for counts in PROCESS_COUNTS:
            for count, row in _best(
                workload, counts, device, [int(c) for c in connections.split(",")], seconds, rounds
            ):
                ratio = row.per_s / first.setdefault(count, row.per_s)
                cells = f"{row.per_s:.0f} | {ratio:.2f} | {row.p50_ms:.1f} | {row.p99_ms:.1f} | {row.cores:.2f}"
                cells += f" | {row.cpu_ms:.2f} | {row.batch:.1f}" + (f" ({row.failed} failed)" if row.failed else "")
                typer.echo(f"| {workload.name} | {counts.frontends} | {counts.engines} | {count} | {cells} |")


def _best(
    workload: Workload, counts: ProcessCounts, device: str, connections: list[int], seconds: float, rounds: int
) -> Iterator[tuple[int, LoadRow]]:
    with served(workload, counts, device) as ready:
        for count in connections:
            yield count, max(loaded(ready, count, seconds) for _ in range(rounds))


if __name__ == "__main__":
    typer.run(main)
