"""`snellen bench`: what this machine can do with a bundle, stage by stage, without HTTP."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def bench(
    bundle: Annotated[Path, typer.Argument(help="folder of the bundle")] = Path("models/imagenet/1"),
    providers: Annotated[str, typer.Option(help="execution providers, as in cuda,cpu; empty: best installed")] = "",
    largest: Annotated[int, typer.Option(min=1, max=1024, help="largest batch size")] = 32,
    threads: Annotated[int, typer.Option(min=1, help="onnxruntime threads for a batch, on CPU")] = 1,
    seconds: Annotated[float, typer.Option(min=0.1, help="time for each stage")] = 2.0,
) -> None:
    """Time decoding and the session, in one thread, with the bundle's golden images."""
    from models.contract import BundleError, read_bundle
    from service.decoding import Decoder
    from service.engine import EngineOptions, EngineRejected, best_batch_size, measure
    from service.settings import FORMATS
    from service.verification import open_verified

    options = EngineOptions(tuple(filter(None, providers.split(","))), threads_per_batch=threads, concurrency=1)
    try:
        read = read_bundle(bundle)
        engine = open_verified(read, options)
    except (BundleError, EngineRejected) as error:
        Console(stderr=True).print(f"snellen: {bundle}: {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    manifest = read.manifest
    table = Table("stage", "ms", "images/s", title=f"{manifest.name}/{manifest.version} on {engine.provider}")
    decoder = Decoder(1, FORMATS, 64_000_000)
    for path, body, _ in read.golden():
        each_s = _time(lambda body=body: decoder.run(body, manifest.input, manifest.preprocessing), seconds)  # type: ignore[misc]
        table.add_row(f"decode {path} ({len(body) / 1000:.0f} kB)", f"{each_s * 1000:.2f}", f"{1 / each_s:.0f}")
    profile = measure(engine, manifest.input.shape, largest, budget_s=10 * seconds)
    for point in profile:
        table.add_row(f"batch of {point.batch_size}", f"{point.seconds * 1000:.2f}", f"{point.images_per_s:.0f}")
    Console().print(table, f"best batch size for one thread of work: {best_batch_size(profile)}")


def _time(work: Callable[[], object], seconds: float) -> float:
    """Seconds for one call, the mean over `seconds`."""
    calls, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds or not calls:
        work()
        calls += 1
    return elapsed / calls
