"""How many images run together: one, or a small batch, whichever this machine runs faster."""

import time
from collections.abc import Callable
from typing import Protocol

from models.contract import Manifest
from service.engine.tuning.timing import zero_batch
from service.errors import EngineFailure
from service.types import Batch, Prediction

LARGEST = 8
"""Images of a batch. No larger one was faster on a CPU with ONNX Runtime and OpenVINO, see benchmarks/micro/bulk.py."""
_ROUNDS, _LIMIT_S = 3, 1.0
"""Rounds of the measurement, and the seconds after which no other round begins."""
_WORTH = 0.97
"""Share of the time of single images from which on a batch is taken; less is noise."""


class Runs(Protocol):
    """The part of an engine that is measured."""

    def run(self, batch: Batch) -> Prediction: ...


def fastest_batch(engine: Runs, manifest: Manifest, clock: Callable[[], float] = time.perf_counter) -> int:
    """Return 1 or LARGEST, or what the graph takes at most, after running black images. clock: seconds.

    Networks that fill the caches of a core with one image are mostly faster without batches, small ones are slower.
    Returns 1 too where a batch fails.
    """
    size = min(LARGEST, manifest.max_batch or LARGEST)
    if size == 1:
        return 1
    one, several = zero_batch(1, manifest.input.shape), zero_batch(size, manifest.input.shape)
    try:
        engine.run(one)
        engine.run(several)  # the first run of a size is slower than later ones
    except EngineFailure:
        return 1
    single, together, began = list[float](), list[float](), clock()
    while not single or (len(single) < _ROUNDS and clock() - began < _LIMIT_S):
        single.append(_timed(lambda: [engine.run(one) for _ in range(size)], clock))
        together.append(_timed(lambda: engine.run(several), clock))
    return size if min(together) < _WORTH * min(single) else 1


def _timed(call: Callable[[], object], clock: Callable[[], float]) -> float:
    began = clock()
    call()
    return clock() - began
