"""Ctrl-C and SIGTERM end a run between two steps, so that it can write down where it is."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from training.errors import InterruptedRunError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Which signal came, if any. A second one is obeyed at once, as Python does without us."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def note(self, number: int, _: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number)

    def error(self, resume: str) -> InterruptedRunError:
        received = self.signal or signal.SIGINT
        return InterruptedRunError(f"stopped by {received.name}; {resume}", 128 + received)


@contextmanager
def catch_interruptions() -> Iterator[Interruption]:
    """Signals are noted instead of obeyed inside the block. Only the main thread can ask for that."""
    interruption = Interruption()
    former = {number: signal.signal(number, interruption.note) for number in _SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
