"""Counts the work of a process, to limit its bulk batches and to detect a single request."""

import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

_LATELY_S = 1.0
"""Seconds after an interactive image during which one slot stays free: its client may soon send another one."""


class BulkSlots:
    """The slots for bulk batches of one process, shared by all its models."""

    def __init__(self) -> None:
        self._interactive = 0
        self._interactive_at = -math.inf
        self._bulk = 0
        self._waits = False
        self._watchers: deque[Callable[[], None]] = deque()

    def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever the number of free slots may have changed."""
        self._watchers.append(changed)

    def unwatch(self, changed: Callable[[], None]) -> None:
        """Call `changed` no more."""
        with suppress(ValueError):  # stopped twice
            self._watchers.remove(changed)

    def add_interactive(self, images: int) -> None:
        """Change the number of interactive images that are admitted and not answered. images: may be negative."""
        self._interactive += images
        self._interactive_at = time.monotonic()
        if self._bulk or self._waits:
            self.recheck()

    def claim(self, concurrency: int) -> bool:
        """Take a slot for a bulk batch if one is free, and return whether it was taken.

        concurrency: batches that the engine runs at a time. When no slot is free, the callbacks of `watch` are called
        later.
        """
        if self._bulk < self._slots(concurrency):
            self._bulk += 1
            return True
        self._waits = True
        return False

    def release(self, batches: int) -> None:
        """Free the slots of bulk batches."""
        self._bulk -= batches
        if self._waits:
            self.recheck()

    def recheck(self) -> None:
        """Let waiting bulk work try to claim a slot.

        The models are called in rotation, so that each is the first in turn.
        """
        self._waits = False
        self._watchers.rotate()
        for changed in tuple(self._watchers):
            changed()

    def surplus(self, concurrency: int) -> int:
        """Return how many bulk batches have to be preempted."""
        return max(0, self._bulk - self._slots(concurrency))

    @property
    def only_request(self) -> bool:
        """Whether the process works on at most one image."""
        return self._interactive <= 1 and not self._bulk

    def _slots(self, concurrency: int) -> int:
        """Return the number of slots, out of `concurrency` engine runs.

        While interactive images are in work, each has a run and one more stays free; for a second after the last one,
        one run stays free.
        """
        if self._interactive:
            return max(0, concurrency - self._interactive - 1)
        lately = time.monotonic() - self._interactive_at < _LATELY_S
        return max(1, concurrency - 1) if lately else concurrency
