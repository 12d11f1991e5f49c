"""Admission control: rejects a request on arrival when a limit is reached or its deadline cannot be met.

Never waits.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from service.batching.latency_model import LatencyModel
from service.errors import DeadlineExceeded, QueueFull
from service.types import Priority


class CapacityLimiter:
    """Counts what is in use and never lets it exceed `capacity`."""

    def __init__(
        self, capacity: int, noun: str, seconds_until_free: Callable[[int], float] = lambda _inside: 1.0
    ) -> None:
        """Create a limiter with nothing in use.

        noun: what is counted, for the error text. seconds_until_free: maps the number in use to seconds, for
        Retry-After.
        """
        self._capacity = capacity
        self._noun = noun
        self._seconds_until_free = seconds_until_free
        self.inside = 0

    def enter(self, count: int) -> None:
        """Add `count`. Raises QueueFull, and adds nothing, when fewer than `count` are free."""
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
        """Add `count` until the end of the context."""
        self.enter(count)
        try:
            yield
        finally:
            self.leave(count)


class AdmissionController:
    """Admits the images of one model.

    Up to `capacity` images are admitted at a time, at most half of them bulk, and only if their deadline can be met.
    """

    def __init__(
        self,
        capacity: int,
        forecast: LatencyModel,
        on_error_s: Callable[[float], object] = lambda _error_s: None,
        on_interactive: Callable[[int], object] = lambda _images: None,
    ) -> None:
        """Create a controller with no image admitted.

        forecast: predicts the seconds to a response.
        on_error_s: called with actual minus predicted seconds of each interactive response.
        on_interactive: called with the number of admitted interactive images whenever it changes.
        """
        self._on_interactive = on_interactive
        self.forecast = forecast
        self._on_error_s = on_error_s
        self._all = CapacityLimiter(capacity, "images of this model", forecast.expected_s)
        self._bulk = CapacityLimiter(max(1, capacity // 2), "bulk images of this model", forecast.expected_s)

    @property
    def inside(self) -> int:
        """Images that were admitted and are not yet answered."""
        return self._all.inside

    @contextmanager
    def admit(
        self, count: int, deadline_s: float, priority: Priority = Priority.INTERACTIVE
    ) -> Iterator[Callable[[], None]]:
        """Admit `count` images until the end of the context.

        Yields a function that corrects the forecast with the time that the request took. Call it at the response, or at
        the deadline; not for rejected images, whose time says nothing about the engine.
        Raises QueueFull, or DeadlineExceeded when the deadline is too short even without other images.
        """
        interactive = priority is Priority.INTERACTIVE
        ahead = self.inside - self._bulk.inside if interactive else self.inside
        expected_s = self.forecast.expected_s(ahead, count)
        # With nothing ahead the request is admitted in any case; else a forecast that is too high would stay too high.
        if ahead and self.forecast.pessimistic_s(ahead, count) > deadline_s:
            self._refuse(ahead, count, deadline_s)
        started = time.perf_counter()

        def answered() -> None:
            if interactive:
                took_s = time.perf_counter() - started
                self.forecast.observe(ahead, count, took_s)
                self._on_error_s(took_s - expected_s)

        with self._all.hold(count), contextlib.nullcontext() if interactive else self._bulk.hold(count):
            if interactive:
                self._on_interactive(ahead + count)
            try:
                yield answered
            finally:
                if interactive:
                    self._on_interactive(self.inside - self._bulk.inside - count)

    def _refuse(self, ahead: int, count: int, deadline_s: float) -> NoReturn:
        alone_s, pessimistic_s = self.forecast.expected_s(0, count), self.forecast.pessimistic_s(ahead, count)
        if alone_s > deadline_s:
            raise DeadlineExceeded(
                f"an answer takes {alone_s * 1000:.0f} ms even with nothing ahead, and the deadline is "
                f"{deadline_s * 1000:.0f} ms; raise X-Deadline-Ms, or send fewer images at a time"
            )
        raise QueueFull(
            f"an answer would take up to {pessimistic_s * 1000:.0f} ms, with {ahead} images ahead, and the deadline is "
            f"{deadline_s * 1000:.0f} ms; send the request again after the time in Retry-After",
            pessimistic_s - deadline_s,
        )
