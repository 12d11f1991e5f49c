"""Measure the memory of the service with different numbers of processes: idle, and the most under load.

    .venv/bin/python -m benchmarks.scenarios.memory [--seconds 5] [--shapes "default;--frontends 1"]

Memory is PSS: a page that several processes share counts once, in equal parts. Other programs that use the same
libraries at the same time make it smaller, by some 20 MiB for each process.
"""

import dataclasses
import threading
import time
from typing import Annotated

import typer

from benchmarks.harness.prepare_inputs import prepare
from benchmarks.harness.process_usage import MIB, pss_bytes
from benchmarks.harness.server_process import free_port, running
from benchmarks.harness.servers import raw, service
from benchmarks.load import closed_loop
from benchmarks.load.closed_loop import Body
from benchmarks.workloads import WORKLOADS
from models.contract import usable_cores

DEFAULT = "default"
_SHAPES = f"{DEFAULT};--frontends 1;--frontends 2;--frontends 4;--frontends 1 --engines 1;--frontends 2 --engines 1"
_CONNECTIONS = 32
_INTERVAL_S = 0.1
_STEADY_S, _STEADY_LIMIT_S = 3.0, 60.0
_SMALL = "/v1/models/fashion-mnist/classify"
_HEAD = "| processes | idle | load of A, at most | load of small PNGs, at most |\n|---|--:|--:|--:|"


def steady_bytes(pid: int) -> int:
    """Return the PSS once it has not changed by a MiB for three seconds: work goes on after readiness."""
    end = time.monotonic() + _STEADY_LIMIT_S
    last, since = pss_bytes(pid), time.monotonic()
    while time.monotonic() < min(end, since + _STEADY_S):
        time.sleep(_INTERVAL_S)
        if abs((now := pss_bytes(pid)) - last) > MIB:
            last, since = now, time.monotonic()
    return last


def peak_bytes(pid: int, url: str, body: Body, seconds: float) -> int:
    """Return the largest PSS while a closed loop runs."""
    load = threading.Thread(target=closed_loop.run, args=(url, body, _CONNECTIONS, seconds))
    load.start()
    most = 0
    while load.is_alive():
        most = max(most, pss_bytes(pid))
        time.sleep(_INTERVAL_S)
    return most


def row(flags: str, seconds: float) -> str:
    """Return the row of one shape. flags: of `snellen serve`, or `default` for none."""
    photo, small = WORKLOADS["A"], WORKLOADS["B"]
    server = service(photo, free_port())
    command = server.command + ([] if flags == DEFAULT else flags.split())
    with running(dataclasses.replace(server, command=command)) as ready:
        idle = steady_bytes(ready.pid)
        under_photos = peak_bytes(ready.pid, ready.server.url, ready.server.body, seconds)
        url = ready.server.url.replace(ready.server.path, _SMALL)
        under_small = peak_bytes(ready.pid, url, raw(small), seconds)
    return f"| `{flags}` | " + " | ".join(f"{each / MIB:.0f}" for each in (idle, under_photos, under_small)) + " |"


def main(
    seconds: Annotated[float, typer.Option(help="Duration of each load.")] = 5,
    shapes: Annotated[str, typer.Option(help="Flags of `snellen serve`, separated by semicolons.")] = _SHAPES,
) -> None:
    """Print PSS in MiB of all processes together, for each shape, with the bundles that ship with the project."""
    prepare([WORKLOADS["A"], WORKLOADS["B"]])
    typer.echo(f"PSS in MiB, {usable_cores()} cores, {_CONNECTIONS} connections\n\n{_HEAD}")
    for flags in shapes.split(";"):
        typer.echo(row(flags.strip(), seconds))


if __name__ == "__main__":
    typer.run(main)
