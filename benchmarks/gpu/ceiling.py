"""Measure the engine's ceiling: batches of random pixels through the service's engine, without HTTP or decoding.

    python -m benchmarks.gpu.ceiling [--bundles models/imagenet/1] [--providers cuda] [--sizes 1,2,4,...,256]

Pixels are copied from host memory to the device and probabilities back, as in the service. The exit status is 1 when a
configuration could not be run at all; a failure at one batch size is a note.
"""

import statistics
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.gpu.configurations import configurations, open_engine
from benchmarks.gpu.results import CeilingPart, RunConfiguration, Speed, write
from benchmarks.gpu.run_commands import BUNDLES, Bundles, Providers, bundles_of, fast_ones, numbers_of
from benchmarks.gpu.serving import CACHE
from models.contract import Bundle, BundleError
from service.engine.onnx_engine import OnnxEngine
from service.engine.session import EngineRejected
from service.engine.tuning.timing import batch_seconds
from service.errors import EngineFailure
from service.types import Batch

SIZES = "1,2,4,8,16,32,64,128,256"
_WINDOWS = 3


class Ceiling:
    """Measures configurations and collects the results, with a note for each failure."""

    def __init__(self, sizes: list[int], window_s: float) -> None:
        self._sizes, self._window_s = sizes, window_s
        self.part = CeilingPart()

    def measure(self, bundle: Bundle, configuration: RunConfiguration) -> Iterator[Speed]:
        """Measure all batch sizes with one caller, and without CUDA graphs also with two callers."""
        try:
            with closing(open_engine(bundle, configuration, self._sizes[-1], _engines(configuration))) as engine:
                for size in self._sizes:
                    for callers in (1,) if configuration.cuda_graph else (1, 2):
                        yield self._add(self._timed(engine, bundle, configuration, callers, size))
        except (BundleError, EngineRejected, EngineFailure) as error:
            self.part.notes.append(
                f"{configuration.bundle} on {configuration.provider}, {configuration.words}: {error}"
            )

    def _timed(
        self, engine: OnnxEngine, bundle: Bundle, configuration: RunConfiguration, callers: int, size: int
    ) -> Speed:
        batch = random_batch(bundle, size)
        engine.warm_up([batch])
        windows = [batch_seconds(engine, batch, callers, self._window_s)]
        windows += [batch_seconds(engine, batch, callers, self._window_s, windows[0]) for _ in range(_WINDOWS - 1)]
        return Speed(configuration=configuration, callers=callers, batch_size=size, seconds=statistics.median(windows))

    def _add(self, speed: Speed) -> Speed:
        self.part.rows.append(speed)
        return speed


def _engines(configuration: RunConfiguration) -> Path:
    """Return the folder in which TensorRT caches its engines, so that the next run need not build them."""
    return CACHE / "tensorrt" / f"{configuration.bundle.replace('/', '-')}-{configuration.precision}"


def random_batch(bundle: Bundle, size: int) -> Batch:
    """Return a batch of random pixels: devices are faster on black images than on photographs."""
    service_options = (size, *bundle.manifest.input.shape)
    return Batch(np.random.default_rng(size).integers(0, 256, service_options, np.uint8))


def best(rows: Iterable[Speed], **wanted: str) -> Speed | None:
    """Return the fastest row whose configuration has the wanted field values, or None."""
    fitting = [row for row in rows if all(getattr(row.configuration, name) == value for name, value in wanted.items())]
    return max(fitting, key=lambda row: row.images_per_s, default=None)


def main(
    bundles: Bundles = BUNDLES,
    providers: Providers = "",
    sizes: Annotated[str, typer.Option(help="Batch sizes, separated by commas.")] = SIZES,
    window_s: Annotated[float, typer.Option(help="Duration of each of three windows for a size.")] = 0.2,
) -> None:
    """Measure, print a line for each size, and keep the result as ceiling.json."""
    names, ceiling = fast_ones(providers), Ceiling(numbers_of(sizes), window_s)
    failed = 0
    for bundle in bundles_of(bundles):
        for configuration in configurations(bundle, names):
            rows = [*_shown(ceiling.measure(bundle, configuration))]
            failed += not rows
    for note in ceiling.part.notes:
        typer.echo(f"failed: {note}")
    typer.echo(f"written to {write(ceiling.part, 'ceiling')}")
    raise typer.Exit(1 if failed else 0)


def _shown(rows: Iterable[Speed]) -> Iterator[Speed]:
    for row in rows:
        used = row.configuration
        what = f"{used.bundle} on {used.provider}, {used.words}, {row.callers} at a time of {row.batch_size}"
        typer.echo(f"{what}: {row.seconds * 1000:.3f} ms, {row.images_per_s:.0f} images/s")
        yield row


if __name__ == "__main__":
    typer.run(main)
