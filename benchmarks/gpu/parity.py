"""Compare every provider and variant with the golden probabilities, which were computed on a CPU.

    python -m benchmarks.gpu.parity [--bundles models/imagenet/1,...] [--providers cuda,tensorrt,cpu]

The exit status is 1 when a probability differs by more than the manifest allows, or a variant cannot be run.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

import numpy as np
import typer

from benchmarks.gpu.configurations import configurations, open_engine
from benchmarks.gpu.results import Parity, ParityPart, RunConfiguration, write
from benchmarks.gpu.run_commands import BUNDLES, Bundles, Providers, bundles_of, names_of
from models.contract import Bundle, BundleError, Pixels, Precision, Row
from service.engine.onnx_engine import OnnxEngine
from service.engine.session import EngineRejected
from service.types import Batch

_LARGEST = 4
"""Largest batch size: golden images run one by one, and as the last row of a batch padded to this size."""
_RUNS = 4
"""Runs per image: onnxruntime runs twice, then captures a CUDA graph, then replays it; the last run counts."""


def compared(bundle: Bundle, configuration: RunConfiguration) -> Parity:
    """Return the largest difference over all golden images."""
    tolerance = bundle.tolerance(Precision(configuration.precision))
    try:
        with closing(open_engine(bundle, configuration, _LARGEST)) as engine:
            differences = [bundle.golden_difference(_predict(engine, size)) for size in (1, _LARGEST - 1)]
    except (BundleError, EngineRejected) as error:
        return Parity(configuration=configuration, difference=None, tolerance=tolerance, reason=str(error))
    difference = float(np.max(differences))
    if not np.isfinite(difference):
        return Parity(
            configuration=configuration, difference=None, tolerance=tolerance, reason="a probability is not a number"
        )
    return Parity(configuration=configuration, difference=difference, tolerance=tolerance)


def _predict(engine: OnnxEngine, size: int) -> Callable[[Pixels], Row]:
    """Return a function that runs an image as the last row of a batch of black images."""

    def predict(pixels: Pixels) -> Row:
        images = np.zeros((size, *pixels.shape), np.uint8)
        images[-1] = pixels
        for _ in range(_RUNS):
            row: Row = engine.run(Batch(images)).probabilities[-1]
        return row

    return predict


def compare(bundles: Iterable[Bundle], providers: Iterable[str]) -> Iterator[Parity]:
    """Yield the comparison of every configuration of every bundle."""
    names = list(providers)
    for bundle in bundles:
        for configuration in configurations(bundle, names):
            yield compared(bundle, configuration)


def main(bundles: Bundles = BUNDLES, providers: Providers = "") -> None:
    """Compare, print a line for each configuration, and write the result as parity.json."""
    rows = []
    for row in compare(bundles_of(bundles), names_of(providers)):
        found = "-" if row.difference is None else f"{row.difference:.6f}"
        verdict = "holds" if row.holds else row.reason or "differs"
        used = row.configuration
        typer.echo(f"{used.bundle} on {used.provider}, {used.words}: {found} of {row.tolerance:g}, {verdict}")
        rows.append(row)
    typer.echo(f"written to {write(ParityPart(rows=rows), 'parity')}")
    raise typer.Exit(0 if all(row.holds for row in rows) else 1)


if __name__ == "__main__":
    typer.run(main)
