"""Measure what a client with 2 connections gets beside one with 200, in each shape of the service.

    .venv/bin/python -m benchmarks.scenarios.fair_sharing [SHAPE ...] [--seconds 4] [--rounds 3] [--least 0.8]

Both clients are on this machine, at 127.0.0.1 and 127.0.0.2, and send the image of workload A in closed loops: each
connection sends its next request as soon as it has the answer, also after a refusal, and never waits. Each round has
three loads: the small client alone, the large one alone, and both. The fair share of the small client is what it gets
alone, but at most half of what the large one gets alone.

For each shape the program prints a row with the medians of the rounds. The exit status is 1 when the small client gets
less than --least of its fair share in any shape.
"""

import asyncio
import multiprocessing
import statistics
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Annotated, NamedTuple

import typer

from benchmarks.harness.prepare_inputs import prepare
from benchmarks.harness.server_process import free_port, running
from benchmarks.harness.servers import CLASSIFY, Server, service
from benchmarks.workloads import WORKLOADS

SHAPES = {
    "one process": ("--frontends", "1"),
    "two frontends": ("--frontends", "2"),
    "two frontends, one engine": ("--frontends", "2", "--engines", "1"),
}
_PAUSE_S, _BETWEEN_S, _SETTLE_S = 1.0, 0.5, 1.5
"""Seconds before each load, in which the service notices the end of the connections before; between the first
connections of the large client and those of the small one; and from then on until answers are counted.
"""


class Load(NamedTuple):
    """A client: the address from which it sends, and its number of connections."""

    source: str
    connections: int


SMALL, LARGE = Load("127.0.0.2", 2), Load("127.0.0.1", 200)


class Rates(NamedTuple):
    """Good answers per second, and refused requests per second."""

    good: float
    refused: float


class Round(NamedTuple):
    """What the clients got in one round."""

    small_alone: float
    large_alone: float
    small: float
    large: float
    refused: float

    @property
    def fair_share(self) -> float:
        """Good answers per second that the small client should get."""
        return min(self.small_alone, self.large_alone / 2)


def request(server: Server) -> bytes:
    """Return the bytes of one request."""
    body = server.body.path.read_bytes()
    head = f"POST {CLASSIFY} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {server.body.content_type}\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def send(load: Load, port: int, sent: bytes, begin_at: float, seconds: float) -> Rates:
    """Connect, send in closed loops until `seconds` after `begin_at` (of time.monotonic), and count from then on."""
    return asyncio.run(_send(load, port, sent, begin_at, seconds))


async def _send(load: Load, port: int, sent: bytes, begin_at: float, seconds: float) -> Rates:
    statuses: Counter[int] = Counter()
    loops = [_closed_loop(load.source, port, sent, statuses, begin_at, seconds) for _ in range(load.connections)]
    try:
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + begin_at + seconds - time.monotonic()):
            await asyncio.gather(*loops)
    except TimeoutError:
        pass
    good = statuses.pop(200, 0)
    return Rates(good / seconds, statuses.total() / seconds)


async def _closed_loop(
    source: str, port: int, sent: bytes, statuses: Counter[int], begin_at: float, seconds: float
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        while True:
            writer.write(sent)
            status = await _status_of(reader)
            if begin_at <= time.monotonic() < begin_at + seconds:
                statuses[status] += 1
    finally:
        writer.close()


async def _status_of(reader: asyncio.StreamReader) -> int:
    """Read one answer and return its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
    return int(head.split(b" ", 2)[1])


def together(clients: ProcessPoolExecutor, server: Server, loads: tuple[Load, ...], seconds: float) -> list[Rates]:
    """Run clients at the same time, each in a process of its own, and return what each got."""
    time.sleep(_PAUSE_S)
    sent, begin_at = request(server), time.monotonic() + _BETWEEN_S + _SETTLE_S
    running_loads = []
    for load in loads:
        running_loads.append(clients.submit(send, load, server.port, sent, begin_at, seconds))
        time.sleep(_BETWEEN_S)
    return [each.result() for each in running_loads]


def round_of(clients: ProcessPoolExecutor, server: Server, seconds: float) -> Round:
    """Run the three loads one after the other."""
    (small_alone,) = together(clients, server, (SMALL,), seconds)
    (large_alone,) = together(clients, server, (LARGE,), seconds)
    large, small = together(clients, server, (LARGE, SMALL), seconds)
    return Round(small_alone.good, large_alone.good, small.good, large.good, large.refused + small.refused)


def median_of(rounds: list[Round]) -> Round:
    """Return the median of each number."""
    return Round(*(statistics.median(column) for column in zip(*rounds, strict=True)))


def row(shape: str, found: Round) -> str:
    """Return the row of the table."""
    share = found.small / found.fair_share
    numbers = (found.small_alone, found.large_alone, found.fair_share, found.small)
    rates = " | ".join(f"{number:.1f}" for number in numbers)
    return f"| {shape} | {rates} | {share:.2f} | {found.large:.1f} | {found.refused:.0f} |"


HEAD = """| shape | small alone | large alone | fair share | small beside large | of its fair share | large | refused |
|---|--:|--:|--:|--:|--:|--:|--:|"""


def measure(shape: str, seconds: float, rounds: int) -> Round:
    """Run a service of this shape and all rounds, and return the medians."""
    server = service(WORKLOADS["A"], free_port())
    server = replace(server, command=[*server.command, *SHAPES[shape]], log=f"fair-sharing-{'-'.join(SHAPES[shape])}")
    with (
        ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as clients,
        running(server),
    ):
        together(clients, server, (LARGE, SMALL), 1)  # processes of the clients are started, forecasts are learnt
        return median_of([round_of(clients, server, seconds) for _ in range(rounds)])


def main(
    shapes: Annotated[list[str] | None, typer.Argument(help="Shapes; all without.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Duration of each load.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, help="Repetitions of the three loads.")] = 3,
    least: Annotated[float, typer.Option(help="Smallest allowed part of the fair share.")] = 0.8,
) -> None:
    """Measure what a client with 2 connections gets beside one with 200."""
    prepare([WORKLOADS["A"]])
    print(f"{WORKLOADS['A'].description}; good answers per second, medians of {rounds} rounds of {seconds:g} s\n")
    print(HEAD)
    unfair = False
    for shape in shapes or list(SHAPES):
        found = measure(shape, seconds, rounds)
        unfair = unfair or found.small < least * found.fair_share
        print(row(shape, found), flush=True)
    sys.exit(unfair)


if __name__ == "__main__":
    typer.run(main)
