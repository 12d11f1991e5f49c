"""One more session for lone images, with threads that work together on each."""

from models.contract import Bundle, Precision
from service.engine.session import EngineOptions
from service.engine.tuning.autotune import Tuned
from service.engine.verification import open_another

_WORTH_IT_S = 0.0005
"""Of a lone image: below, threads spend more time on meeting than they save."""
MOST = 8
"""Threads beyond so many share too little work, unless somebody knows better."""


def help_lone_images(bundle: Bundle, found: Tuned, threads: int) -> None:
    """Open it, on the CPU, of so many threads; not where it could not be faster. Raises EngineRejected."""
    chosen = found.profile.chosen
    if chosen.provider != "cpu" or threads <= chosen.threads_per_batch or found.profile.alone_s < _WORTH_IT_S:
        return
    options = EngineOptions(("cpu",), True, threads, 1, threads, rests=True)
    found.engine.share_lone_images(open_another(bundle, options, Precision(chosen.precision)))
