"""Compare the latencies that `snellen capacity` computes with those of the real service, on one core of its own.

    .venv/bin/python -m benchmarks.scenarios.capacity [--seconds 20] [--workload A]

The load generator has another core, and sends images at random intervals. Exit status 1 where p50 or p99 of the service
differ from the computed ones by more than 15 % at loads of up to 80 %.
"""

import os
import random
from typing import Annotated, NamedTuple

import numpy as np
import typer
import uvloop
from numpy.typing import NDArray

from benchmarks.harness.prepare_inputs import prepare
from benchmarks.harness.server_process import free_port, running
from benchmarks.harness.servers import Server, service
from benchmarks.load import closed_loop
from benchmarks.load.open_loop import request, summarize
from benchmarks.load.open_loop_client import OpenLoopClient
from benchmarks.workloads import WORKLOADS, Workload
from models.contract import usable_cores
from service.settings import Settings
from snellen.capacity.costs import Costs
from snellen.capacity.measurement import measure
from snellen.capacity.simulation import simulate_arrivals

_SHARES = (0.2, 0.4, 0.6, 0.7, 0.8, 0.9)
_JUDGED, _TOLERANCE = 0.8, 0.15
"""Loads up to this share are judged. Nearer to the most images per second, latency depends on the length of the run."""
_DEADLINE_MS, _GRACE_S = 60_000, 5.0
_MEASURED_S = 2.0


def percentiles(server: Server, rate: float, seconds: float, seed: int) -> tuple[float, float]:
    """Return p50 and p99 in ms of the service under this load. Raises AssertionError where a request failed."""
    body = server.body
    message = request(server.path, f"127.0.0.1:{server.port}", body.path.read_bytes(), body.content_type, _DEADLINE_MS)
    client = OpenLoopClient("127.0.0.1", server.port, message)
    uvloop.run(client.run(rate, seconds, _GRACE_S, seed))
    values = summarize(client, rate, seconds, _DEADLINE_MS / 1000)
    assert all(status == 200 for status, _ in client.answers)
    assert not values["generator_saturated"]
    return values["p50_ms"], values["p99_ms"]


def arrivals(rate: float, seconds: float, seed: int) -> NDArray[np.float64]:
    """Return when OpenLoopClient sends its requests, in seconds."""
    chance = random.Random(seed)
    return np.cumsum([chance.expovariate(rate) for _ in range(round(rate * seconds))])


class Row(NamedTuple):
    """A load as a share of the most images per second, and in images per second; p50 and p99 in ms."""

    share: float
    rate: float
    measured: tuple[float, float]
    computed: tuple[float, float]


def rows(workload: Workload, costs: Costs, seconds: float) -> list[Row]:
    """Return measured and computed latencies for each load."""
    found = []
    server = service(workload, free_port())
    with running(server):
        _use(-1)
        percentiles(server, 0.5 * costs.images_per_s, 3, seed=0)  # warms up
        most = closed_loop.run(server.url, server.body, 32, seconds, windowed=True)["per_s"]
        typer.echo(
            f"most images/s: {most:.1f}, computed {costs.images_per_s:.1f}, ratio {most / costs.images_per_s:.2f}"
        )
        for number, share in enumerate(_SHARES):
            rate = share * costs.images_per_s
            outcome = simulate_arrivals(costs, rate, arrivals(rate, seconds, number + 1))
            computed = outcome.p50_s * 1000, outcome.p99_s * 1000
            found.append(Row(share, rate, percentiles(server, rate, seconds, seed=number + 1), computed))
    return found


def _use(core: int) -> None:
    """Run this process, and those that it starts from now on, on one of the cores."""
    os.sched_setaffinity(0, {_CORES[core]})


_CORES = sorted(os.sched_getaffinity(0))


def main(
    seconds: Annotated[float, typer.Option(help="Duration of each load.")] = 20,
    workload: Annotated[str, typer.Option(help="A or B")] = "A",
) -> None:
    """Print measured and computed latencies side by side, for loads of one core."""
    assert usable_cores() >= 2, "the service and the load generator need a core each"
    chosen = WORKLOADS[workload]
    prepare([chosen])
    _use(0)
    found = measure(
        chosen.models / chosen.model / "1", Settings(models=chosen.models), [chosen.image.read_bytes()], _MEASURED_S
    )
    costs = found.costs
    typer.echo(f"{chosen.description}: {found.configuration}; decoding {costs.decode_s * 1000:.2f} ms, batches in ms:")
    typer.echo(", ".join(f"{size}: {each * 1000:.2f}" for size, each in costs.batch_s.items()))
    typer.echo(
        "\n| load | images/s | p50 | computed | ratio | p99 | computed | ratio |\n|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    wrong = False
    for share, rate, (p50, p99), (expected_p50, expected_p99) in rows(chosen, costs, seconds):
        ratios = p50 / expected_p50, p99 / expected_p99
        wrong |= share <= _JUDGED and any(abs(ratio - 1) > _TOLERANCE for ratio in ratios)
        typer.echo(
            f"| {share:.0%} | {rate:.1f} | {p50:.1f} | {expected_p50:.1f} | {ratios[0]:.2f}"
            f" | {p99:.1f} | {expected_p99:.1f} | {ratios[1]:.2f} |"
        )
    raise typer.Exit(int(wrong))


if __name__ == "__main__":
    typer.run(main)
