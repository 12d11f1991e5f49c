"""Times batches with all callers of a configuration running."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np

from service.types import Batch, Engine

_MOST_RUNS = 10_000
"""Limit of the batches of one caller in one timing."""


def zero_batch(size: int, image: tuple[int, ...], *, class_map: bool = False) -> Batch:
    """Return a batch of black images [H, W, C]; the content does not affect the time."""
    return Batch(np.zeros((size, *image), np.uint8), class_map)


def batch_seconds(
    engine: Engine, batch: Batch, concurrency: int, window_s: float, expected_s: float | None = None
) -> float:
    """Return the seconds of one batch with all callers running: total time by the number of batches per caller.

    It takes about `window_s` seconds, or one batch per caller if that is longer.
    expected_s: result of an earlier timing. Without it, the first run warms up, and the second sets the number of
    batches.
    """
    if expected_s is None:
        _run(engine, batch, concurrency, 1)
        expected_s = _run(engine, batch, concurrency, 1)
        if expected_s >= window_s:
            return expected_s
    return _run(engine, batch, concurrency, max(1, min(_MOST_RUNS, round(window_s / max(expected_s, 1e-6)))))


def _run(engine: Engine, batch: Batch, concurrency: int, runs: int) -> float:
    """Run the batch so many times in each caller, and return the seconds of one run."""
    barrier = Barrier(concurrency)

    def call(_: int) -> tuple[float, float]:
        barrier.wait()
        began = time.perf_counter()
        for _ in range(runs):
            engine.run(batch)
        return began, time.perf_counter()

    with ThreadPoolExecutor(concurrency) as callers:
        spans = list(callers.map(call, range(concurrency)))
    return (max(end for _, end in spans) - min(began for began, _ in spans)) / runs
