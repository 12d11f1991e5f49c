"""Admission control: rejects a request on arrival when a limit is reached or its deadline cannot be met.

Never waits.
"""

import time
from collections.abc import Callable

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

    def hold(self, count: int) -> "CapacityLease":
        """Return a context manager that enters at its beginning and leaves at its end."""
        return CapacityLease(self, count)


class CapacityLease:
    """Counts as in use until the end of a `with` block."""

    __slots__ = ("_count", "_gate")

    def __init__(self, gate: CapacityLimiter, count: int) -> None:
        self._gate = gate
        self._count = count

    def __enter__(self) -> None:
        self._gate.enter(self._count)

    def __exit__(self, *_: object) -> None:
        self._gate.leave(self._count)


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
        self.on_error_s = on_error_s
        self._all = CapacityLimiter(capacity, "images of this model", forecast.answer_s)
        self._bulk = CapacityLimiter(max(1, capacity // 2), "bulk images of this model", forecast.answer_s)

    @property
    def inside(self) -> int:
        """Images that were admitted and are not yet answered."""
        return self._all.inside

    def admit(self, count: int, deadline_s: float, priority: Priority = Priority.INTERACTIVE) -> "AdmissionTicket":
        """Return a context manager for `count` images.

        Entering raises QueueFull, or DeadlineExceeded when the deadline is too short even without other images.
        """
        return AdmissionTicket(self, count, deadline_s, priority)

    def enter(self, count: int, deadline_s: float, priority: Priority) -> tuple[int, float]:
        """Admit `count` images.

        Return the number of images ahead of them, and the expected seconds to the response.
        Raises QueueFull, or DeadlineExceeded when the deadline is too short even without other images.
        """
        ahead = self.inside if priority is Priority.BULK else self.inside - self._bulk.inside
        expected_s = self.forecast.answer_s(ahead, count)
        # With nothing ahead the request is admitted in any case; else a forecast that is too high would stay too high.
        late_s = self.forecast.late_s(ahead, count)
        if ahead and late_s > deadline_s:
            self._refuse(ahead, count, deadline_s, late_s)
        self._all.enter(count)
        if priority is Priority.INTERACTIVE:
            self._on_interactive(ahead + count)
            return ahead, expected_s
        try:
            self._bulk.enter(count)
        except QueueFull:
            self._all.leave(count)
            raise
        return ahead, expected_s

    def leave(self, count: int, priority: Priority) -> None:
        self._all.leave(count)
        if priority is Priority.BULK:
            self._bulk.leave(count)
        else:
            self._on_interactive(self._all.inside - self._bulk.inside)

    def _refuse(self, ahead: int, count: int, deadline_s: float, late_s: float) -> None:
        alone_s = self.forecast.answer_s(0, count)
        if alone_s > deadline_s:
            raise DeadlineExceeded(
                f"an answer takes {alone_s * 1000:.0f} ms even with nothing ahead, and the deadline is "
                f"{deadline_s * 1000:.0f} ms; raise X-Deadline-Ms, or send fewer images at a time"
            )
        raise QueueFull(
            f"an answer would take up to {late_s * 1000:.0f} ms, with {ahead} images ahead, and the deadline is "
            f"{deadline_s * 1000:.0f} ms; send the request again after the time in Retry-After",
            late_s - deadline_s,
        )


class AdmissionTicket:
    """One request's admission, from the beginning to the end of a `with` block."""

    __slots__ = ("_admission", "_ahead", "_count", "_deadline_s", "_expected_s", "_priority", "_started")

    def __init__(self, admission: AdmissionController, count: int, deadline_s: float, priority: Priority) -> None:
        self._admission = admission
        self._count = count
        self._deadline_s = deadline_s
        self._priority = priority

    def __enter__(self) -> "AdmissionTicket":
        self._ahead, self._expected_s = self._admission.enter(self._count, self._deadline_s, self._priority)
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._admission.leave(self._count, self._priority)

    def answered(self) -> None:
        """Correct the forecast with the time that the request took until its response or its deadline.

        Not called for rejected images: the time they took says nothing about the engine.
        """
        if self._priority is Priority.INTERACTIVE:
            took_s = time.perf_counter() - self._started
            self._admission.forecast.learn(self._ahead, self._count, took_s)
            self._admission.on_error_s(took_s - self._expected_s)
