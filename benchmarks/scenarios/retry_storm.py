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
    """Good answers a second: before, in the storm, after it."""
    loads = (_PEAK, connections, _PEAK)
    return [closed_loop.run(server.url, server.body, load, seconds)["per_s"] for load in loads]


def measured(root: Path, connections: int, seconds: float, rounds: int) -> float:
    """Prints all rounds of one working tree's service; the median share of the throughput that the storm leaves."""
    server = service(WORKLOADS["A"], free_port(), root)
    server = replace(server, command=[*server.command, "--deadline-s", str(_DEADLINE_S)], log=f"storm-{root.name}")
    shares = []
    with running(server):
        time.sleep(seconds)
        for _ in range(rounds):
            before, storm, after = round_of(server, connections, seconds)
            shares.append(storm / before)
            print(
                f"{root}: {_PEAK} connections {before:.0f}/s, {connections} {storm:.0f}/s, {_PEAK} again {after:.0f}/s"
            )
    return statistics.median(shares)


def main(
    connections: int = 256,
    seconds: Annotated[float, typer.Option(min=1)] = 4,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    least: float = 0.7,
    against: Annotated[Path | None, typer.Option(help="Another working tree, measured first.")] = None,
) -> None:
    prepare([WORKLOADS["A"]])
    if against:
        print(f"share that the storm leaves: {measured(against, connections, seconds, rounds):.2f}")
    share = measured(ROOT, connections, seconds, rounds)
    print(f"share that the storm leaves: {share:.2f}")
    sys.exit(share < least)


if __name__ == "__main__":
    typer.run(main)
