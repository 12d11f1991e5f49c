"""Ctrl-C and SIGTERM end a run between two steps, so that it can write a checkpoint."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from training.errors import InterruptedRunError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """The signal that was received, if any. A second signal raises KeyboardInterrupt at once."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def note(self, number: int, _: FrameType | None) -> None:
        """Record the signal; the handler that `catch_interruptions` installs."""
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number)

    def error(self, resume: str) -> InterruptedRunError:
        """Return the error that ends the run. resume: sentence that says how to continue."""
        received = self.signal or signal.SIGINT
        return InterruptedRunError(f"stopped by {received.name}; {resume}", 128 + received)


@contextmanager
def catch_interruptions() -> Iterator[Interruption]:
    """Record signals inside the block instead of ending the process. Works in the main thread only."""
    interruption = Interruption()
    former = {number: signal.signal(number, interruption.note) for number in _SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
