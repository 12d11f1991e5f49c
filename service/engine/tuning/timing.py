"""Times batches with all callers of a shape at work."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np

from service.types import Batch, Engine

_LONGEST = 10_000
"""Batches of one caller in a window."""


def zero_batch(size: int, image: tuple[int, ...], *, class_map: bool = False) -> Batch:
    """A batch of black images [H, W, C]: what is in them does not matter to the time."""
    return Batch(np.zeros((size, *image), np.uint8), class_map)


class BatchTimer:
    """Runs windows of about `window_s` seconds, or one batch of each caller if that takes longer."""

    def __init__(self, window_s: float = 0.02) -> None:
        self._window_s = window_s

    def seconds(self, engine: Engine, batch: Batch, concurrency: int, expected_s: float | None = None) -> float:
        """Of one batch while all callers are at work: from the first to the last, by the number of their turns.

        expected_s: by an earlier window; without it the first run warms up and says how many make a window.
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
