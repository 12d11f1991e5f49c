"""A second session for single requests, whose threads work together on one image."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from models.contract import Bundle, Precision
from service.engine.onnx_engine import OnnxEngine
from service.engine.session import EngineOptions
from service.engine.tuning.autotune import Tuned
from service.engine.tuning.timing import zero_batch
from service.engine.verification import open_again
from service.types import Batch

_WORTH_IT_S = 0.0005
"""Seconds of a single image below which several threads need more time to synchronise than they save."""
_MIN_GAIN = 1.2
"""Speed-up from which on the second session is worth its memory: it holds the weights once more."""
_WINDOW_S = 0.1
"""Seconds for which both sessions are timed."""
MOST = 8
"""Limit of threads unless the setting says otherwise; more threads would share too little work."""


def add_latency_session(bundle: Bundle, found: Tuned, threads: int) -> None:
    """Open a session with `threads` threads on the CPU, and keep it if it is faster. Raises EngineRejected."""
    chosen = found.profile.chosen
    if chosen.provider != "cpu" or threads <= chosen.threads_per_batch or found.profile.alone_s < _WORTH_IT_S:
        return
    options = EngineOptions(("cpu",), True, threads, 1, threads, rests=True)
    other = open_again(bundle, options, Precision(chosen.precision))
    with _one_process_at_a_time(bundle.path):
        gain = _gain(found.engine, other, zero_batch(1, bundle.manifest.input.shape))
    if gain >= _MIN_GAIN:
        found.engine.add_latency_session(other)
    else:
        other.close()


def _gain(usual: OnnxEngine, other: OnnxEngine, image: Batch) -> float:
    """Return the speed-up of the other session, by the fastest of several runs: other load only slows runs down."""
    fastest_s = {usual: float("inf"), other: float("inf")}
    end_s = time.perf_counter() + _WINDOW_S
    for engine in fastest_s:
        engine.run(image)
    while time.perf_counter() < end_s or float("inf") in fastest_s.values():
        for engine, before_s in fastest_s.items():
            started_s = time.perf_counter()
            engine.run(image)
            fastest_s[engine] = min(before_s, time.perf_counter() - started_s)
    return fastest_s[usual] / fastest_s[other]


@contextlib.contextmanager
def _one_process_at_a_time(folder: Path) -> Iterator[None]:
    """Hold a lock, because frontends start together, and sessions that use all cores slow each other down."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
