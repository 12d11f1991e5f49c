"""Compare `snellen classify --out` with the ceiling of this machine without HTTP and without files.

    python -m benchmarks.micro.bulk [--bundles imagenet/1,fashion-mnist/3] [--providers cpu,openvino] [--rounds 5]

The ceiling: one process for each core, which decodes the same image again and again and runs batches of one thread.
Its batch size is the best of several. `snellen classify --out` reads files, decodes and runs them in the threads of one
process, and writes Parquet. Both take turns, and the ratio of their rates is the median of the rounds. On a machine
with other work the milliseconds of CPU time for an image say more. Results: docs/bulk.md.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.sample_images import jpeg, small_png
from benchmarks.workloads import SHIPPED
from models.contract import FORMATS, IMAGE_SUFFIXES, Bundle, Precision, read_bundle, usable_cores
from service.decoding.decode import DecodeLimits, decode
from service.engine.engines import LocalEngine, open_engine
from service.engine.providers import EngineOptions
from service.inference.offline import OfflineClassifier
from service.types import Batch
from snellen.bulk.batch_size import LARGEST, fastest_batch
from snellen.bulk.command import BulkOptions, begun, options_of
from snellen.bulk.parts import Output
from snellen.bulk.run import classify_parts
from snellen.bulk.sources import Sources

SIZES = (1, 4, 8, 16)
"""Batch sizes of the ceiling."""
_LIMITS = DecodeLimits(FORMATS, 64_000_000)
_worker: "list[Callable[[int], None]]" = []
"""In a process of the ceiling: the function that decodes and runs a batch of some size."""


class Slice(NamedTuple):
    """Images per second, and milliseconds of CPU time for an image."""

    rate: float
    cpu_ms: float


class Comparison(NamedTuple):
    """Medians of the rounds for both, their batch sizes, and the median of the ratios of their rates."""

    ceiling: Slice
    ceiling_batch: int
    bulk: Slice
    bulk_batch: int
    ratio: float


def image_of(bundle: Bundle) -> bytes:
    """Return a photo of 61 KB, or a PNG of 28x28 grey pixels for networks of that size."""
    return small_png() if bundle.manifest.input.height == 28 else jpeg((500, 375), 61_000)


def engine_of(bundle: Bundle, provider: str, cores: int, largest: int) -> LocalEngine:
    """Return an engine with one thread for each of `cores` batches at a time."""
    options = EngineOptions((provider,), threads_per_batch=1, cores=cores, largest=largest)
    return open_engine(bundle.model_path(Precision.FP32), bundle.manifest, options)


def _open_worker(folder: Path, provider: str) -> None:
    bundle = read_bundle(folder)
    body, manifest = image_of(bundle), bundle.manifest
    engine = engine_of(bundle, provider, 1, LARGEST)

    def run(size: int) -> None:
        pixels = [decode(body, manifest.input, manifest.preprocessing, _LIMITS).pixels for _ in range(size)]
        engine.run(Batch(np.stack(pixels)))

    for size in SIZES:
        run(size)
    _worker.append(run)


def _run_worker(size: int, seconds: float) -> Slice:
    """Return what this process does."""
    count, began, cpu_s = 0, time.perf_counter(), time.process_time()
    while count == 0 or time.perf_counter() - began < seconds:
        _worker[0](size)
        count += size
    return Slice(count / (time.perf_counter() - began), (time.process_time() - cpu_s) * 1000 / count)


def _ceiling(pool: ProcessPoolExecutor, size: int, seconds: float) -> Slice:
    """Return what all processes do together."""
    cores = usable_cores()
    found = list(pool.map(_run_worker, [size] * cores, [seconds] * cores))
    return Slice(sum(each.rate for each in found), statistics.mean(each.cpu_ms for each in found))


def _bulk(classifier: OfflineClassifier, batch: int, folder: Path, images: Path) -> Slice:
    """Return what a run over a folder does, without starting the command and opening the bundle."""
    with tempfile.TemporaryDirectory() as made:
        out = Path(made) / "results.parquet"
        output, sources = Output(out), Sources((str(images),), IMAGE_SUFFIXES, None, out)
        options = options_of(classifier, folder, BulkOptions(out), 1 << 25, heic=False)
        with output.locked():
            job, missing, _ = begun(output, sources, options)
            began, cpu_s = time.perf_counter(), time.process_time()
            classify_parts(classifier, output, missing, batch=batch)
            rate = job.images / (time.perf_counter() - began)
            return Slice(rate, (time.process_time() - cpu_s) * 1000 / job.images)


def compare(folder: Path, provider: str, rounds: int, seconds: float) -> Comparison:
    """Measure both in turns. seconds: of a slice."""
    bundle, cores = read_bundle(folder), usable_cores()
    classifier = OfflineClassifier(bundle.manifest, _LIMITS, engine_of(bundle, provider, cores, LARGEST), None)
    body = image_of(bundle)
    with (
        tempfile.TemporaryDirectory() as made,
        ProcessPoolExecutor(cores, get_context("spawn"), _open_worker, (folder, provider)) as pool,
    ):
        rates = {size: _ceiling(pool, size, seconds / 2) for size in SIZES}
        best = max(SIZES, key=lambda size: rates[size].rate)
        together = LARGEST * cores  # no core waits for the last batch of another one
        for index in range(together * max(1, round(rates[best].rate * seconds / together))):
            (Path(made) / f"{index:06d}.jpg").write_bytes(body)  # the bytes decide
        batch = fastest_batch(classifier.engine, bundle.manifest)
        _bulk(classifier, batch, folder, Path(made))
        found = [(_ceiling(pool, best, seconds), _bulk(classifier, batch, folder, Path(made))) for _ in range(rounds)]
    classifier.engine.close()
    ratio = statistics.median(bulk.rate / ceiling.rate for ceiling, bulk in found)
    return Comparison(_medians(each for each, _ in found), best, _medians(each for _, each in found), batch, ratio)


def _medians(slices: Iterable[Slice]) -> Slice:
    rates, cpu_ms = zip(*slices, strict=True)
    return Slice(statistics.median(rates), statistics.median(cpu_ms))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--bundles", default="imagenet/1,fashion-mnist/3")
    parser.add_argument("--providers", default="cpu,openvino")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    print("| bundle | provider | ceiling: batch | images/s | CPU ms | `--out`: batch | images/s | CPU ms | ratio |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    for name in given.bundles.split(","):
        for provider in given.providers.split(","):
            found = compare(SHIPPED / name, provider, given.rounds, given.seconds)
            ceiling, bulk = (f"{each.rate:.1f} | {each.cpu_ms:.2f}" for each in (found.ceiling, found.bulk))
            both = f"{found.ceiling_batch} | {ceiling} | {found.bulk_batch} | {bulk}"
            print(f"| {name} | {provider} | {both} | {found.ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
