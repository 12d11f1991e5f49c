"""How busy a process is: whether bulk work has room, and whether an image is the only one."""

import math
import time
from collections import deque
from collections.abc import Callable

_LATELY_S = 1.0
"""A client that has sent an interactive image within this time may send another one soon."""


class BulkSlots:
    """Of one process, whatever the number of its models."""

    def __init__(self) -> None:
        self._interactive = 0
        self._interactive_at = -math.inf
        self._bulk = 0
        self._waits = False
        self._watchers: deque[Callable[[], None]] = deque()

    def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` when there may be more or less room for bulk work than before."""
        self._watchers.append(changed)

    def add_interactive(self, images: int) -> None:
        """Count more, or fewer, interactive images that are accepted and not answered."""
        self._interactive += images
        self._interactive_at = time.monotonic()
        if self._bulk or self._waits:
            self.recheck()

    def claim(self, concurrency: int) -> bool:
        """Take a slot for a bulk batch, where the process runs `concurrency` batches at a time, if there is one.

        If there is none, `watch` says when to ask again.
        """
        if self._bulk < self._slots(concurrency):
            self._bulk += 1
            return True
        self._waits = True
        return False

    def release(self, batches: int) -> None:
        """Give back the slots of bulk batches."""
        self._bulk -= batches
        if self._waits:
            self.recheck()

    def recheck(self) -> None:
        """Let bulk work that waits try to claim a slot; each time another model is first."""
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
        """Return the slots for bulk batches; one stays free beside interactive images, and for likely ones."""
        if self._interactive:
            return max(0, concurrency - self._interactive - 1)
        lately = time.monotonic() - self._interactive_at < _LATELY_S
        return max(1, concurrency - 1) if lately else concurrency
