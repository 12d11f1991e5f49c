"""Times batches with all callers of a configuration running."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np

from service.types import Batch, Engine

_LONGEST = 10_000
"""Limit of the batches of one caller in one timing."""


def zero_batch(size: int, image: tuple[int, ...], *, class_map: bool = False) -> Batch:
    """Return a batch of black images [H, W, C]; the content does not affect the time."""
    return Batch(np.zeros((size, *image), np.uint8), class_map)


class BatchTimer:
    """Times batches for about `window_s` seconds, or one batch per caller if that takes longer."""

    def __init__(self, window_s: float = 0.02) -> None:
        self._window_s = window_s

    def seconds(self, engine: Engine, batch: Batch, concurrency: int, expected_s: float | None = None) -> float:
        """Return the seconds of one batch with all callers running: total time by the number of batches per caller.

        expected_s: result of an earlier timing. Without it, the first run warms up, and the second sets the number of
        batches.
        """
        if expected_s is None:
            _window(engine, batch, concurrency, 1)
            expected_s = _window(engine, batch, concurrency, 1)
            if expected_s >= self._window_s:
                return expected_s
        turns = max(1, min(_LONGEST, round(self._window_s / max(expected_s, 1e-6))))
        return _window(engine, batch, concurrency, turns)


def _window(engine: Engine, batch: Batch, concurrency: int, turns: int) -> float:
    barrier = Barrier(concurrency)

    def call() -> tuple[float, float]:
        barrier.wait()
        began = time.perf_counter()
        for _ in range(turns):
            engine.run(batch)
        return began, time.perf_counter()

    if concurrency == 1:
        spans = [call()]
    else:
        with ThreadPoolExecutor(concurrency) as callers:
            spans = [each.result() for each in [callers.submit(call) for _ in range(concurrency)]]
    return (max(end for _, end in spans) - min(began for began, _ in spans)) / turns
