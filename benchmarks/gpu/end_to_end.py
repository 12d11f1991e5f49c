"""Measure the service end to end: images/s against the number of frontends, with one engine process.

    python -m benchmarks.gpu.end_to_end [--bundle models/imagenet/1] [--frontends 1,2,4,8] [--connections 32,256]

The load is a closed loop with the 500x375 JPEG of 61 KB of workload A; load generators share the cores with the
service. The exit status is 1 when a start of the service or a load failed.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.gpu import load
from benchmarks.gpu.configurations import label
from benchmarks.gpu.device import Watch
from benchmarks.gpu.results import EndToEndPart, ServiceLoad, write
from benchmarks.gpu.run_commands import Providers, bundles_of, fast_ones, numbers_of
from benchmarks.gpu.serving import CACHE, ServiceOptions, engine_of, served, server_of
from benchmarks.harness import prometheus_scrape
from benchmarks.harness.prepare_inputs import prepare
from benchmarks.harness.process_usage import cpu_s
from benchmarks.harness.server_process import RunningServer, ServerFailed
from benchmarks.workloads import WORKLOADS
from models.contract import Bundle, usable_cores

WORKLOAD = WORKLOADS["A"]
_WARM_UP_S = 3.0


def default_frontends(cores: int) -> list[int]:
    """Return powers of two below the number of cores, and all cores but one, which the engine process needs."""
    return sorted({1 << bit for bit in range(cores.bit_length()) if 1 << bit < cores} | {max(1, cores - 1)})


def measured(
    bundle: Bundle,
    options: ServiceOptions,
    image: Path,
    connections: list[int],
    seconds: float,
    generators: int,
    cache: Path = CACHE,
) -> Iterator[ServiceLoad]:
    """Start the service once and run all loads. Raises ServerFailed, OSError, SubprocessError, ValueError."""
    kind = load.kind()
    with served(server_of(bundle, options, image, cache)) as ready:
        load.run(kind, ready.server.url, ready.server.body, max(connections), _WARM_UP_S, generators)
        engine = engine_of(ready.server, bundle.manifest.name)
        options = replace(options, provider=engine["provider"], precision=engine["precision"])
        for count in connections:
            yield _loaded(ready, bundle, options, kind, count, seconds, generators)


def _loaded(
    ready: RunningServer,
    bundle: Bundle,
    options: ServiceOptions,
    kind: load.Kind,
    connections: int,
    seconds: float,
    generators: int,
) -> ServiceLoad:
    before, cpu = prometheus_scrape.scrape_batch_sizes(ready.server), cpu_s(ready.pid)
    with Watch() as watch:
        values = load.run(kind, ready.server.url, ready.server.body, connections, seconds, generators)
    cores = (cpu_s(ready.pid) - cpu) / values["seconds"]
    batch, _ = prometheus_scrape.scrape_batch_sizes(ready.server).since(before)
    return ServiceLoad(
        bundle=label(bundle),
        provider=options.provider,
        precision=options.precision,
        frontends=options.frontends,
        engines=options.engines,
        connections=connections,
        generator=kind,
        per_s=values["per_s"],
        failed=int(values["failed"] + values["socket_errors"] + values["timeouts"]),
        p50_ms=values.get("p50_ms", 0.0),
        p99_ms=values.get("p99_ms", 0.0),
        mean_batch=batch,
        cores=cores,
        machine_cores=usable_cores(),
        use=watch.use,
    )


def main(
    bundle: Annotated[str, typer.Option(help="Folder of the bundle.")] = "models/imagenet/1",
    providers: Providers = "",
    precision: Annotated[str, typer.Option(help="Setting of the service of that name.")] = "auto",
    frontends: Annotated[str, typer.Option(help="Separated by commas; empty: by the number of cores.")] = "",
    connections: Annotated[str, typer.Option(help="Separated by commas.")] = "32,256",
    seconds: Annotated[float, typer.Option(min=1, help="Duration of each load.")] = 5.0,
    generators: Annotated[int, typer.Option(min=1, help="Load generators that run at the same time.")] = 2,
    tune_s: Annotated[float, typer.Option(help="Setting of the service of that name.")] = 20.0,
) -> None:
    """Measure, print a line for each load, and keep the result as end_to_end.json."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the service is ended too
    prepare([WORKLOAD], typer.echo)
    part, one = EndToEndPart(image=WORKLOAD.image.name), bundles_of(bundle)[0]
    for provider in fast_ones(providers):
        for count in numbers_of(frontends) or default_frontends(usable_cores()):
            options = ServiceOptions(count, 1, provider, precision, tune_s=tune_s)
            try:
                for row in measured(one, options, WORKLOAD.image, numbers_of(connections), seconds, generators):
                    part.rows.append(row)
                    typer.echo(_line(row))
            except (ServerFailed, OSError, subprocess.SubprocessError, ValueError) as error:
                part.notes.append(f"{provider}, {count} frontends: {error}")
                typer.echo(f"failed: {part.notes[-1]}")
    typer.echo(f"written to {write(part, 'end_to_end')}")
    raise typer.Exit(1 if part.notes else 0)


def _line(row: ServiceLoad) -> str:
    busy = "" if row.use.gpu_mean_percent is None else f", GPU {row.use.gpu_mean_percent:.0f} %"
    return (
        f"{row.provider} {row.precision}, {row.frontends} frontends, {row.connections} connections: "
        f"{row.per_s:.0f} images/s, {row.per_machine_core:.0f} a core, "
        f"p50 {row.p50_ms:.1f} ms, p99 {row.p99_ms:.1f} ms, batches of {row.mean_batch:.1f}, "
        f"{row.cores:.1f} cores{busy}"
    )


if __name__ == "__main__":
    typer.run(main)
