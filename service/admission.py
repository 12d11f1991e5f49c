"""Capacity is refused at the door, by trying and never by waiting."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.errors import QueueFull


class Gate:
    """Counts what is inside; `capacity` is never exceeded."""

    def __init__(
        self, capacity: int, noun: str, seconds_until_free: Callable[[int], float] = lambda _inside: 1.0
    ) -> None:
        """noun: what is counted, for the client. seconds_until_free: of the number inside, for Retry-After."""
        self._capacity = capacity
        self._noun = noun
        self._seconds_until_free = seconds_until_free
        self.inside = 0

    def enter(self, count: int) -> None:
        """Raises QueueFull, and takes nothing, when fewer than `count` places are free."""
        if self.inside + count > self._capacity:
            raise QueueFull(
                f"the service already holds {self.inside} of {self._capacity} {self._noun}; "
                "send the request again after the time in Retry-After",
                self._seconds_until_free(self.inside),
            )
        self.inside += count

    def leave(self, count: int) -> None:
        self.inside -= count

    @contextmanager
    def hold(self, count: int) -> Iterator[None]:
        self.enter(count)
        try:
            yield
        finally:
            self.leave(count)
