"""`snellen bench`: the speed of this machine with a bundle, stage by stage, without HTTP."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from snellen.options import Providers, exit_with_error, provider_names, service_default
from snellen.output import path_text
from snellen.repository import bundle_folder, default_bundle

if TYPE_CHECKING:
    from models.contract import Bundle


def bench(
    bundle: Annotated[
        Path | None,
        typer.Argument(help="bundle: its folder, or its name as in imagenet or imagenet/1; unset: as the service"),
    ] = None,
    providers: Providers = "",
    largest: Annotated[
        int, typer.Option(metavar="IMAGES", min=1, max=1024, help="largest batch size; that of the bundle at most")
    ] = 32,
    threads: Annotated[int, typer.Option(min=1, help="threads for a batch, on CPU")] = 1,
    seconds: Annotated[float, typer.Option(metavar="SECONDS", min=0.1, help="time for each stage")] = 2.0,
) -> None:
    """Time decoding and the session, in one thread, with the bundle's golden images."""
    from models.contract import BundleError, read_bundle
    from service.engine.batch_sizes import prepared_sizes
    from service.engine.profile import Measurement
    from service.engine.providers import EngineOptions
    from service.engine.session import EngineRejected
    from service.engine.tuning.selection import select
    from service.engine.tuning.timing import batch_seconds, zero_batch
    from service.engine.verification import open_verified
    from service.errors import ServiceError

    options = EngineOptions(provider_names(providers), threads_per_batch=threads, concurrency=1, largest=largest)
    folder = bundle_folder(bundle) if bundle is not None else default_bundle()
    try:
        read = read_bundle(folder)
        with closing(open_verified(read, options)) as engine:
            decoding = list(_time_decoding(read, seconds))
            timed = [
                Measurement(
                    precision=options.precision,
                    provider=engine.provider,
                    concurrency=1,
                    threads_per_batch=threads,
                    batch_size=size,
                    seconds=batch_seconds(engine, zero_batch(size, read.manifest.input.shape), 1, seconds),
                )
                for size in prepared_sizes(min(largest, read.manifest.max_batch or largest))
            ]
    except (BundleError, EngineRejected, ServiceError) as error:
        exit_with_error(f"{path_text(folder)}: {error}", status=1)
    title = f"{read.manifest.name}/{read.manifest.version} on {engine.provider}"
    table = Table(Column("stage", overflow="fold"), "ms", "images/s", title=title)
    for stage, each_s in decoding:
        table.add_row(Text(stage), f"{each_s * 1000:.2f}", f"{1 / each_s:.0f}")
    for each in timed:
        table.add_row(f"batch of {each.batch_size}", f"{each.seconds * 1000:.2f}", f"{each.images_per_s:.0f}")
    best = select(timed, latency_s=math.inf)
    Console().print(table, f"best batch size for one thread of work: {best.batch_size}")


def _time_decoding(bundle: "Bundle", seconds: float) -> Iterator[tuple[str, float]]:
    """Yield what was decoded, and the seconds of one decoding."""
    from models.contract import FORMATS
    from service.decoding.decode import DecodeLimits, decode

    limits, manifest = DecodeLimits(FORMATS, service_default("max_pixels")), bundle.manifest
    for path, body, _ in bundle.golden():
        work = partial(decode, body, manifest.input, manifest.preprocessing, limits)
        yield f"decode {path} ({len(body) / 1000:.0f} kB)", _time(work, seconds)


def _time(work: Callable[[], object], seconds: float) -> float:
    """Return the seconds of one call, as the mean over `seconds`."""
    calls, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds or not calls:
        work()
        calls += 1
    return elapsed / calls
