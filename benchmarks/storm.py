"""What is left of the throughput when clients come again the moment they are refused.

    .venv/bin/python -m benchmarks.storm [--connections 256] [--seconds 4] [--rounds 3] [--least 0.7] [--against TREE]

Work A with a deadline of a second, one service for all rounds. In each 32 connections, then many, then 32 again; ends
with status 1 when the storm's share of what 32 got before it, the median of the rounds, is below --least.
"""

import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import closed_loop
from benchmarks.prepare import prepare
from benchmarks.running import free_port, running
from benchmarks.servers import Server, service
from benchmarks.works import ROOT, WORKS

_PEAK = 32
_DEADLINE_S = 1.0


def round_of(server: Server, connections: int, seconds: float) -> list[float]:
    """Good answers a second: before, in the storm, after it."""
    loads = (_PEAK, connections, _PEAK)
    return [closed_loop.run(server.url, server.body, load, seconds)["per_s"] for load in loads]


def measured(root: Path, connections: int, seconds: float, rounds: int) -> float:
    """Prints all rounds of one working tree's service; the median share of the throughput that the storm leaves."""
    server = service(WORKS["A"], free_port(), root)
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
    prepare([WORKS["A"]])
    if against:
        print(f"share that the storm leaves: {measured(against, connections, seconds, rounds):.2f}")
    share = measured(ROOT, connections, seconds, rounds)
    print(f"share that the storm leaves: {share:.2f}")
    sys.exit(share < least)


if __name__ == "__main__":
    typer.run(main)
