"""A second session for single requests, whose threads work together on one image."""

from models.contract import Bundle, Precision
from service.engine.providers import ON_GPU, EngineOptions
from service.engine.tuning.search import Tuned
from service.engine.verification import open_verified

_WORTH_IT_S = 0.003
"""Seconds of a single image from which on a second session is worth its memory: it holds the weights once more.

Two threads were 1.15 and 1.23 times as fast at 0.7 and 1.6 ms, and 1.55 to 1.6 times at 5 and 10 ms.
"""
MAX_THREADS = 8
"""Limit of threads unless the setting says otherwise; more threads would share too little work."""


def add_latency_session(bundle: Bundle, found: Tuned, threads: int) -> None:
    """Open a session with `threads` threads where it is worth its memory. Raises EngineRejected."""
    chosen = found.profile.chosen
    if chosen.provider in ON_GPU or threads <= chosen.threads_per_batch or found.profile.alone_s < _WORTH_IT_S:
        return
    precision = Precision(chosen.precision)
    options = EngineOptions((chosen.provider,), threads_per_batch=threads, precision=precision, stop_spinning=True)
    found.engine.add_latency_session(open_verified(bundle, options, again=True))
