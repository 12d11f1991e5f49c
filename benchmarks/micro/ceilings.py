"""Measure decoding and the network without HTTP, in one thread.

`benchmarks.harness.ceiling_workers` runs both on all cores.
"""

import statistics
import time
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from benchmarks.peers.common import ModelInput, Run, onnxruntime_run, openvino_run, pixels
from benchmarks.workloads import Workload
from models.contract import FORMATS, Pixels, Precision, openvino_library
from service.decoding.decode import DecodeLimits, decode
from service.engine.providers import OPENVINO

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


def libraries(workload: Workload) -> tuple[str, ...]:
    """Return the libraries that the ceiling tries: the workload's own, else those between which the service chooses."""
    return (workload.library,) if workload.library else ("cpu", *[OPENVINO] * openvino_library.installed())


def runners(workload: Workload, library: str) -> dict[int, Run]:
    """Return for each batch size a function that runs a batch in one thread and computes probabilities, no class maps.

    Each has run once. OpenVINO has a compiled model for each size.
    """
    model, image = workload.network(workload.precision), workload.bundle.manifest.input.shape
    if library == OPENVINO:
        hint = "bf16" if workload.precision is Precision.BF16 else "f32"
        found = {size: openvino_run(model, 1, hint, (size, *image)) for size in BATCH_SIZES}
    else:
        found = dict.fromkeys(BATCH_SIZES, onnxruntime_run(model, 1))
    for size, run in found.items():
        run(np.zeros((size, *image), np.uint8))
    return found


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


def sessions(workload: Workload, seconds: float) -> dict[tuple[str, int], Values]:
    """Measure the network in one thread by library and batch size, all interleaved. seconds: for all together."""
    one = decoder(workload, in_full=False)()
    runs = {
        (library, size): partial(run, np.stack([one] * size))
        for library in libraries(workload)
        for size, run in runners(workload, library).items()
    }
    found: dict[tuple[str, int], list[float]] = {way: [] for way in runs}
    for _ in range(_SESSION_TURNS):
        for way, run in runs.items():
            found[way] += times(run, seconds / _SESSION_TURNS / len(runs))
    return {way: _medians(took, way[1]) for way, took in found.items()}
