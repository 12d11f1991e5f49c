"""How busy the service is, this process and its neighbours together: whether bulk work has room, and who is alone."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

_LATELY_S = 1.0
"""Who has sent an image within this time may send another one soon."""
_POLITE_S = 0.002
"""For a neighbour that waits to take the place that was given up here."""


class Neighbours(Protocol):
    """The other processes that do the same; see processes/board.py."""

    @property
    def count(self) -> int: ...

    @property
    def urgent(self) -> int:
        """Interactive images that they have accepted and not answered."""
        ...

    @property
    def urgent_at(self) -> float:
        """When that number last changed, on the clock of time.monotonic."""
        ...

    @property
    def bulk(self) -> int:
        """Batches of bulk work that they run."""
        ...

    @property
    def waits(self) -> bool:
        """Whether bulk work waits there for room."""
        ...

    @property
    def precede(self) -> bool:
        """Whether one of them with bulk batches comes before this process: who comes first may keep a place."""
        ...

    def post(self, urgent: int, urgent_at: float, bulk: int, *, waits: bool) -> None:
        """Tell them the same of this process, and whether bulk work waits here for room."""
        ...


class Nobody:
    """No neighbours."""

    count = urgent = bulk = 0
    urgent_at = -math.inf
    waits = precede = False

    def post(self, urgent: int, urgent_at: float, bulk: int, *, waits: bool) -> None:
        """There is nobody to be told."""


class Occupancy:
    """Of one process, whatever the number of its models."""

    def __init__(self, neighbours: Neighbours | None = None) -> None:
        self._neighbours = neighbours or Nobody()
        self._urgent = 0
        self._urgent_at = -math.inf
        self._bulk = 0
        self._waits = False
        self._polite = False
        self._watchers: deque[Callable[[], None]] = deque()

    def watch(self, changed: Callable[[], None]) -> None:
        """`changed` is called when there may be more or less room for bulk work than before."""
        self._watchers.append(changed)

    def add_urgent(self, images: int) -> None:
        """More, or fewer, interactive images are accepted and not answered."""
        self._urgent += images
        self._urgent_at = time.monotonic()
        self._post()
        if self._bulk or self._waits:
            self.look_again()

    def claim(self, concurrency: int) -> bool:
        """Take a place for a bulk batch, where each process runs `concurrency` batches at a time, if there is one.

        If not, whoever asks is told by `watch` when to ask again.
        """
        if self._is_room(concurrency) and self._claimed(concurrency):
            return True
        self._waits = True
        self._post()
        return self._is_room(concurrency) and self._claimed(concurrency)  # a neighbour may not have known

    def release(self, batches: int) -> None:
        """Places for bulk batches. A neighbour that waits has the first choice."""
        self._bulk -= batches
        self._post()
        if self._neighbours.waits:
            self._polite = True
            asyncio.get_running_loop().call_later(_POLITE_S, self.neighbours_changed)
        elif self._waits:
            self.look_again()

    def neighbours_changed(self) -> None:
        """For them to call."""
        self._polite = False
        self.look_again()

    def look_again(self) -> None:
        """Whoever waits may try to claim; each time another model is first."""
        if self._waits:
            self._waits = False
            self._post()
        self._watchers.rotate()
        for changed in tuple(self._watchers):
            changed()

    def surplus(self, concurrency: int) -> int:
        """How many of the bulk batches here have to go."""
        excess = self._bulk_batches() - self._places(concurrency)
        return max(0, min(self._bulk, excess if self._neighbours.precede else excess - self._neighbours.bulk))

    @property
    def alone(self) -> bool:
        """At most one image is worked on, wherever."""
        return self._urgent + self._neighbours.urgent <= 1 and not self._bulk_batches()

    def _is_room(self, concurrency: int) -> bool:
        return not self._polite and self._bulk_batches() < self._places(concurrency)

    def _claimed(self, concurrency: int) -> bool:
        """Not if a neighbour that comes before this process claimed the same place in the same moment."""
        self._bulk += 1
        self._post()
        if self.surplus(concurrency):
            self._bulk -= 1
            self._post()
            return False
        return True

    def _post(self) -> None:
        self._neighbours.post(self._urgent, self._urgent_at, self._bulk, waits=self._waits)

    def _bulk_batches(self) -> int:
        return self._bulk + self._neighbours.bulk

    def _places(self, concurrency: int) -> int:
        """For bulk batches. One is left free beside interactive images, and for those that are likely to come."""
        places, urgent = concurrency * (1 + self._neighbours.count), self._urgent + self._neighbours.urgent
        if urgent:
            return max(0, places - urgent - 1)
        return max(1, places - 1) if self._lately_urgent() else places

    def _lately_urgent(self) -> bool:
        return time.monotonic() - max(self._urgent_at, self._neighbours.urgent_at) < _LATELY_S
