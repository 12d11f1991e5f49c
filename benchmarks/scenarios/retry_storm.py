"""Measure the throughput that is left when refused clients retry at once.

    .venv/bin/python -m benchmarks.scenarios.retry_storm [--connections 256] [--seconds 4] [--rounds 3] [--least 0.7]
                                                         [--against TREE]

Workload A with a deadline of one second; one service process tree for all rounds. Each round has three closed loops:
32 connections, then --connections, then 32 again. The exit status is 1 when the median over the rounds of
(throughput with --connections / throughput with 32 connections before) is below --least.
"""

import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.harness.prepare_inputs import prepare
from benchmarks.harness.server_process import free_port, running
from benchmarks.harness.servers import Server, service
from benchmarks.load import closed_loop
from benchmarks.workloads import ROOT, WORKLOADS

_PEAK = 32
_DEADLINE_S = 1.0


def round_of(server: Server, connections: int, seconds: float) -> list[float]:
    """Return good answers per second with 32 connections, with `connections`, and with 32 again."""
    loads = (_PEAK, connections, _PEAK)
    return [closed_loop.run(server.url, server.body, load, seconds)["per_s"] for load in loads]


def measure(root: Path, connections: int, seconds: float, rounds: int) -> float:
    """Measure the service of one working tree and print each round. Return the median share of throughput left."""
    server = service(WORKLOADS["A"], free_port(), root)
    command = [*server.command, "--deadline-s", str(_DEADLINE_S)]
    server = replace(server, command=command, log=f"retry-storm-{root.name}")
    shares = []
    with running(server):
        time.sleep(seconds)
        for _ in range(rounds):
            before, overload, after = round_of(server, connections, seconds)
            shares.append(overload / before)
            rates = f"{_PEAK}: {before:.0f}/s, {connections}: {overload:.0f}/s, {_PEAK} again: {after:.0f}/s"
            print(f"{root}, connections: {rates}")
    return statistics.median(shares)


def main(
    connections: int = 256,
    seconds: Annotated[float, typer.Option(min=1)] = 4,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    least: float = 0.7,
    against: Annotated[Path | None, typer.Option(help="Another working tree, measured first.")] = None,
) -> None:
    """Measure the share of the throughput that is left when refused clients retry at once."""
    prepare([WORKLOADS["A"]])
    if against:
        print(f"share of the throughput left: {measure(against, connections, seconds, rounds):.2f}")
    share = measure(ROOT, connections, seconds, rounds)
    print(f"share of the throughput left: {share:.2f}")
    sys.exit(share < least)


if __name__ == "__main__":
    typer.run(main)
