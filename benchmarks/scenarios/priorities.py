"""Measure how much bulk requests delay interactive requests.

    .venv/bin/python -m benchmarks.scenarios.priorities [--rate 40] [--seconds 10] [--rounds 5]

Interactive requests arrive at a constant rate (open loop; latency counts from the time at which a request was due).
Each round has three loads: interactive requests alone, with users who send bulk requests in a closed loop, and with
the same users without the bulk header, for comparison. The exit status is 1 when the median p99 beside bulk requests
is more than --limit times the median p99 alone.
"""

import http.client
import json
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from benchmarks.harness.prepare_inputs import prepare
from benchmarks.harness.server_process import free_port, running
from benchmarks.harness.servers import CLASSIFY, Server, service
from benchmarks.workloads import WORKLOADS

_BULK = {"X-Priority": "bulk"}


def interactive(server: Server, rate: float, seconds: float) -> dict[str, Any]:
    """Run the open loop in a separate process, so that the threads of this one do not delay it."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.load.open_loop",
        server.url,
        str(server.body.path),
        server.body.content_type,
    ]
    command += ["--rate", str(rate), "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    values: dict[str, Any] = json.loads(done.stdout)["values"]
    return values


@contextmanager
def bulk_users(server: Server, users: int, headers: dict[str, str]) -> Iterator[list[int]]:
    """Run users in closed loops during a `with` block; yields the list to which they append the statuses."""
    statuses: list[int] = []
    ended = threading.Event()
    arguments = (server, headers, statuses, ended)
    threads = [threading.Thread(target=_send, args=arguments) for _ in range(users)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _send(server: Server, headers: dict[str, str], statuses: list[int], ended: threading.Event) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    body = server.body.path.read_bytes()
    while not ended.is_set():
        connection.request("POST", CLASSIFY, body, {"Content-Type": server.body.content_type, **headers})
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()


def main(
    workload: Annotated[str, typer.Option(help="Name of a workload.")] = "A",
    rate: Annotated[float, typer.Option(help="Interactive requests per second.")] = 40,
    users: Annotated[int, typer.Option(help="Number of users who send bulk requests.")] = 8,
    seconds: Annotated[float, typer.Option(help="Duration of each load.")] = 10,
    rounds: Annotated[int, typer.Option(help="Repetitions of all three loads.")] = 5,
    limit: Annotated[float, typer.Option(help="Largest allowed (p99 beside bulk requests) / (p99 alone).")] = 1.10,
) -> None:
    """Measure the latency of interactive requests alone and beside other requests."""
    chosen = WORKLOADS[workload]
    prepare([chosen])
    loads: dict[str, tuple[int, dict[str, str]]] = {
        "alone": (0, {}),
        "beside bulk": (users, _BULK),
        "beside others": (users, {}),
    }
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in loads}
    with running(service(chosen, free_port())) as ready:
        for _ in range(rounds):
            for name, (count, headers) in loads.items():
                with bulk_users(ready.server, count, headers) as statuses:
                    values = interactive(ready.server, rate, seconds)
                good = statuses.count(200) / seconds
                found[name].append((values["p50_ms"], values["p99_ms"], good))
    typer.echo(
        f"{chosen.description}; {rate:g} interactive requests/s, {users} users beside; medians of {rounds} rounds\n"
    )
    typer.echo("| interactive | p50 ms | p99 ms | p99, of alone | beside answered/s |\n|---|--:|--:|--:|--:|")
    medians = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in found.items()}
    for name, (p50, p99, good) in medians.items():
        typer.echo(f"| {name} | {p50:.1f} | {p99:.1f} | {p99 / medians['alone'][1]:.2f} | {good:.1f} |")
    if medians["beside bulk"][1] > limit * medians["alone"][1]:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
