"""Times batches with all callers of a configuration running."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np

from service.types import Batch, Engine

_MOST_RUNS = 10_000
"""Limit of the batches of one caller in one timing."""


_MOST_WAITING = 20
"""Limit of real seconds for each second of a process of low priority."""
_SCHEDULING = Path("/proc/thread-self/schedstat")
"""Of the calling thread: nanoseconds on a core, nanoseconds ready but without a core, number of turns."""


def zero_batch(size: int, image: tuple[int, ...], *, class_map: bool = False) -> Batch:
    """Return a batch of black images [H, W, C]; the content does not affect the time."""
    return Batch(np.zeros((size, *image), np.uint8), class_map)


def batch_seconds(
    engine: Engine,
    batch: Batch,
    concurrency: int,
    window_s: float,
    expected_s: float | None = None,
    *,
    low_priority: bool = False,
) -> float:
    """Return the seconds of one batch with all callers running: total time by the number of batches per caller.

    It takes about `window_s` seconds, or one batch per caller if that is longer.
    expected_s: result of an earlier timing. Without it, the first run warms up, and the second sets the number of
    batches. low_priority: whether the processes that answer requests come first. The time that a caller then waits for
    a core does not count, so that the result is what a serving process would measure.
    """
    if expected_s is None:
        _run(engine, batch, concurrency, 1, low_priority)
        expected_s = _run(engine, batch, concurrency, 1, low_priority)
        if expected_s >= window_s:
            return expected_s
    runs = max(1, min(_MOST_RUNS, round(window_s / max(expected_s, 1e-6))))
    return _run(engine, batch, concurrency, runs, low_priority)


def _run(engine: Engine, batch: Batch, concurrency: int, runs: int, low_priority: bool) -> float:
    """Run the batch so many times in each caller, and return the seconds of one run."""
    barrier, clock = Barrier(concurrency), _clock_with_core if low_priority else time.perf_counter

    def call(_: int) -> tuple[float, float]:
        barrier.wait()
        began = clock()
        for _ in range(runs):
            engine.run(batch)
        return began, clock()

    with ThreadPoolExecutor(concurrency) as callers:
        spans = list(callers.map(call, range(concurrency)))
    if low_priority:  # each thread has a clock of its own
        return max(end - began for began, end in spans) / runs
    return (max(end for _, end in spans) - min(began for began, _ in spans)) / runs


def _clock_with_core() -> float:
    """Return seconds that go on except while the calling thread waits for a core; ordinary ones outside of Linux."""
    try:
        waited_ns = int(_SCHEDULING.read_text().split()[1])
    except (OSError, IndexError, ValueError):  # the kernel may lack these figures
        waited_ns = 0
    return time.perf_counter() - waited_ns / 1e9


def processor_clock(cores: int) -> Callable[[], float]:
    """Return a clock for a process of low priority: the seconds that it has had all of `cores`.

    It counts at least a twentieth of the real time, so that work without a processor, as on a GPU, ends too.
    """
    began, began_with_core = time.perf_counter(), time.process_time()
    return lambda: max((time.process_time() - began_with_core) / cores, (time.perf_counter() - began) / _MOST_WAITING)
