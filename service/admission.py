"""Capacity is refused at the door, by trying and never by waiting."""

from collections.abc import Callable

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

    def hold(self, count: int) -> "Held":
        """A context; enters at its beginning and leaves at its end."""
        return Held(self, count)


class Held:
    """Places taken until the end of a `with` block."""

    __slots__ = ("_count", "_gate")

    def __init__(self, gate: Gate, count: int) -> None:
        self._gate = gate
        self._count = count

    def __enter__(self) -> None:
        self._gate.enter(self._count)

    def __exit__(self, *_: object) -> None:
        self._gate.leave(self._count)
