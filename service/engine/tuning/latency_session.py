"""A second session for single requests, whose threads work together on one image."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from timeit import timeit

from models.contract import Bundle, Precision
from service.engine.onnx_engine import OnnxEngine
from service.engine.providers import EngineOptions
from service.engine.tuning.search import Tuned
from service.engine.tuning.timing import zero_batch
from service.engine.verification import open_verified
from service.types import Batch

_WORTH_IT_S = 0.0005
"""Seconds of a single image below which several threads need more time to synchronise than they save."""
_MIN_GAIN = 1.3
"""Speed-up from which on the second session is worth its memory: it holds the weights once more."""
_WINDOW_S, _LONGEST_S = 0.3, 2.0
"""Seconds for which both sessions are timed, and how long the second one may take to show that it is worth it.

While other frontends load, they take the cores that the second session needs.
"""
MAX_THREADS = 8
"""Limit of threads unless the setting says otherwise; more threads would share too little work."""


def add_latency_session(bundle: Bundle, found: Tuned, threads: int) -> None:
    """Open a session with `threads` threads on the CPU, and keep it if it is faster. Raises EngineRejected."""
    chosen = found.profile.chosen
    if chosen.provider != "cpu" or threads <= chosen.threads_per_batch or found.profile.alone_s < _WORTH_IT_S:
        return
    precision = Precision(chosen.precision)
    options = EngineOptions(("cpu",), threads_per_batch=threads, precision=precision, stop_spinning=True)
    with _one_process_at_a_time(bundle.path):
        other = open_verified(bundle, options, again=True)
        gain = _gain(found.engine, other, zero_batch(1, bundle.manifest.input.shape))
    if gain >= _MIN_GAIN:
        found.engine.add_latency_session(other)
    else:
        other.close()


def _gain(usual: OnnxEngine, other: OnnxEngine, image: Batch) -> float:
    """Return the speed-up of the other session, by the fastest of several runs: other load only slows runs down."""
    usual_s, other_s = list[float](), list[float]()
    began, gain = time.perf_counter(), 0.0
    while (took_s := time.perf_counter() - began) < _LONGEST_S and (took_s < _WINDOW_S or gain < _MIN_GAIN):
        usual_s.append(timeit(lambda: usual.run(image), number=1))
        other_s.append(timeit(lambda: other.run(image), number=1))
        gain = min(usual_s) / min(other_s)
    return gain


@contextlib.contextmanager
def _one_process_at_a_time(folder: Path) -> Iterator[None]:
    """Hold a lock, because frontends start together: to open a session slows down what another frontend measures."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
