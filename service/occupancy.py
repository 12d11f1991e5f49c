"""How busy the service is, this process and its neighbours together: whether bulk work has room, and who is alone."""

import asyncio
import math
import time
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

    def post(self, urgent: int, urgent_at: float, bulk: int, *, waits: bool) -> None:
        """Tell them the same of this process, and whether bulk work waits here for room."""
        ...


class Nobody:
    """No neighbours."""

    count = urgent = bulk = 0
    urgent_at = -math.inf
    waits = False

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
        self._watchers: list[Callable[[], None]] = []

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

    def add_bulk(self, batches: int) -> None:
        """More, or fewer, batches of bulk work run."""
        self._bulk += batches
        self._post()
        if batches < 0 and self._neighbours.waits:
            self._polite = True
            asyncio.get_running_loop().call_later(_POLITE_S, self._polite_no_more)
        elif batches < 0 and self._waits:
            self.look_again()

    def look_again(self) -> None:
        """Also for neighbours to call, when they have changed."""
        self._waits = False
        for changed in self._watchers:
            changed()

    def has_room(self, concurrency: int) -> bool:
        """For one more batch of bulk work, where each process runs `concurrency` batches at a time.

        If not, whoever asks is told by `watch` when to ask again.
        """
        if self._is_room(concurrency):
            return True
        self._waits = True
        self._post()
        return self._is_room(concurrency)  # a neighbour may have changed before it knew

    def is_crowded(self, concurrency: int) -> bool:
        """Whether one of the batches of bulk work has to go."""
        return self._bulk_batches() > self._places(concurrency)

    @property
    def alone(self) -> bool:
        """At most one image is worked on, wherever."""
        return self._urgent + self._neighbours.urgent <= 1 and not self._bulk_batches()

    def _is_room(self, concurrency: int) -> bool:
        return not self._polite and self._bulk_batches() < self._places(concurrency)

    def _polite_no_more(self) -> None:
        self._polite = False
        self.look_again()

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
