"""Measure decoding and the session without HTTP, in one thread.

`benchmarks.harness.ceiling_workers` runs both on all cores.
"""

import statistics
import time
from collections.abc import Callable, Iterable

import numpy as np

from benchmarks.peers.common import INPUT, PROBABILITIES, ModelInput, pixels, session
from benchmarks.workloads import Workload
from models.contract import FORMATS, Pixels
from service.decoding.decode import DecodeLimits, decode

BATCH_SIZES = (1, 2, 4, 8, 16)
_LIMITS = DecodeLimits(FORMATS, max_pixels=64_000_000)
_SESSION_TURNS = 5

Values = dict[str, float]


def model_input(workload: Workload) -> ModelInput:
    """Return the network's input and preprocessing in the form that the peers take."""
    manifest = workload.bundle.manifest
    size, preprocessing = manifest.input, manifest.preprocessing
    return ModelInput(
        size.height,
        size.width,
        size.colour.value,
        preprocessing.resize == "squash",
        preprocessing.crop_fraction,
        preprocessing.interpolation,
    )


def decoder(workload: Workload, *, in_full: bool) -> Callable[[], Pixels]:
    """Return a function from nothing to uint8 [H, W, C]: decode as the service does, or `in_full` as the peers do."""
    body, manifest, model = workload.image.read_bytes(), workload.bundle.manifest, model_input(workload)
    if in_full:
        return lambda: pixels(body, model)
    return lambda: decode(body, manifest.input, manifest.preprocessing, _LIMITS).pixels


def runner(workload: Workload, batch_size: int) -> Callable[[Pixels], None]:
    """Return a function that runs a batch in a one-thread session and computes probabilities, no class maps."""
    own = session(workload.network(workload.precision), 1)
    run: Callable[[Pixels], None] = lambda images: own.run([PROBABILITIES], {INPUT: images})  # noqa: E731
    run(np.zeros((batch_size, *workload.bundle.manifest.input.shape), np.uint8))
    return run


def timed(call: Callable[[], object], seconds: float, images: int = 1) -> Values:
    """Call for `seconds`, at least five times. Return the median time of a call in ms and the images per second."""
    call()
    return _medians(times(call, seconds, 5), images)


def times(call: Callable[[], object], seconds: float, at_least: int = 1) -> list[float]:
    """Call for `seconds`, at least `at_least` times. Return the duration of each call in seconds."""
    found: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(found) < at_least:
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return found


def _medians(found: Iterable[float], images: int) -> Values:
    took = list(found)
    middle = statistics.median(took)
    return {"ms": middle * 1000, "images_per_s": images / middle, "n": len(took)}


def decoding(workload: Workload, seconds: float, *, in_full: bool) -> Values:
    """Measure decoding one image in one thread."""
    return timed(decoder(workload, in_full=in_full), seconds)


def sessions(workload: Workload, seconds: float) -> dict[int, Values]:
    """Measure one-thread sessions by batch size. seconds: for all sizes together, which are interleaved."""
    one = decoder(workload, in_full=False)()
    runs = {size: (runner(workload, size), np.stack([one] * size)) for size in BATCH_SIZES}
    found: dict[int, list[float]] = {size: [] for size in BATCH_SIZES}
    for _ in range(_SESSION_TURNS):
        for size, (run, images) in runs.items():
            found[size] += times(lambda run=run, images=images: run(images), seconds / _SESSION_TURNS / len(runs))  # type: ignore[misc]
    return {size: _medians(took, size) for size, took in found.items()}
