"""`snellen bench`: the speed of this machine with a bundle, stage by stage, without HTTP."""

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

if TYPE_CHECKING:
    from models.contract import Bundle


def bench(
    bundle: Annotated[Path, typer.Argument(help="folder of the bundle")] = Path("models/imagenet/1"),
    providers: Providers = "",
    largest: Annotated[int, typer.Option(min=1, max=1024, help="largest batch size")] = 32,
    threads: Annotated[int, typer.Option(min=1, help="onnxruntime threads for a batch, on CPU")] = 1,
    seconds: Annotated[float, typer.Option(min=0.1, help="time for each stage")] = 2.0,
) -> None:
    """Time decoding and the session, in one thread, with the bundle's golden images."""
    from models.contract import BundleError, read_bundle
    from service.engine.batch_sizes import prepared_sizes
    from service.engine.profile import BatchSeconds, best_batch_size
    from service.engine.session import EngineOptions, EngineRejected
    from service.engine.tuning.timing import BatchTimer, zero_batch
    from service.engine.verification import open_verified
    from service.errors import ServiceError

    options = EngineOptions(provider_names(providers), threads_per_batch=threads, concurrency=1)
    try:
        read = read_bundle(bundle)
        with closing(open_verified(read, options)) as engine:
            decoding = list(_time_decoding(read, seconds))
            stopwatch, image = BatchTimer(seconds), read.manifest.input.shape
            profile = [
                BatchSeconds(n, stopwatch.seconds(engine, zero_batch(n, image), 1)) for n in prepared_sizes(largest)
            ]
    except (BundleError, EngineRejected, ServiceError) as error:
        exit_with_error(f"{path_text(bundle)}: {error}", status=1)
    title = f"{read.manifest.name}/{read.manifest.version} on {engine.provider}"
    table = Table(Column("stage", overflow="fold"), "ms", "images/s", title=title)
    for stage, each_s in decoding:
        table.add_row(Text(stage), f"{each_s * 1000:.2f}", f"{1 / each_s:.0f}")
    for point in profile:
        table.add_row(f"batch of {point.batch_size}", f"{point.seconds * 1000:.2f}", f"{point.images_per_s:.0f}")
    Console().print(table, f"best batch size for one thread of work: {best_batch_size(profile)}")


def _time_decoding(bundle: "Bundle", seconds: float) -> Iterator[tuple[str, float]]:
    """Yield what was decoded, and the seconds of one decoding."""
    from service.decoding.decode import DecodeLimits, decode
    from service.settings import FORMATS

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
