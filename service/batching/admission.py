"""Admission control: rejects a request on arrival when a limit is reached or its deadline cannot be met.

Never waits.
"""

import time
from collections.abc import Callable
from typing import NoReturn, Self

from service.batching.latency_model import LatencyModel
from service.errors import DeadlineExceeded, QueueFull
from service.types import UNKNOWN_CLIENT, Priority

_SHARED_FROM = 0.75
"""Part of a capacity beyond which a client gets no more than an equal share; the rest is kept free for others.

See docs/decisions/fair-shares.md.
"""


class CapacityLimiter:
    """Counts what is in use and never lets it exceed `capacity`.

    While more than three quarters of the capacity are in use, no client that uses some of it may come to use more than
    an equal share: the capacity divided by the number of clients that use some.
    """

    def __init__(
        self,
        capacity: int,
        noun: str,
        seconds_until_free: Callable[[int], float] = lambda _inside: 1.0,
        most_of_one: int | None = None,
    ) -> None:
        """Create a limiter with nothing in use.

        noun: what is counted, for the error text. seconds_until_free: maps the number in use to seconds, for
        Retry-After. most_of_one: limit of what one client uses, also when it is alone; for what clients hold as long as
        they like. None for no such limit.
        """
        self._capacity = capacity
        self._most_of_one = capacity if most_of_one is None else most_of_one
        self._noun = noun
        self._seconds_until_free = seconds_until_free
        self.inside = 0
        self._used: dict[int, int] = {}
        """What each client uses, by its identity; only clients that use some are in it."""

    def enter(self, count: int, client: int = UNKNOWN_CLIENT) -> None:
        """Add `count` of a client.

        Raises QueueFull, and adds nothing, when fewer than `count` are free, or for more than an equal share.
        """
        if not count:
            return
        used = self._used.get(client, 0)
        if self.inside + count > self._capacity:
            self._refuse(f"the service already holds {self.inside} of {self._capacity} {self._noun}")
        if used and self._is_over_share(used + count):
            self._refuse(
                f"{used} of {self._capacity} {self._noun} are from this client, and the rest is for others",
                over_share=True,
            )
        self.inside += count
        self._used[client] = used + count

    def _is_over_share(self, wanted: int) -> bool:
        """Return whether `wanted` of a client that uses some already would be too many."""
        shared = self.inside > _SHARED_FROM * self._capacity
        return wanted > self._most_of_one or (shared and wanted * len(self._used) > self._capacity)

    def leave(self, count: int, client: int = UNKNOWN_CLIENT) -> None:
        """Remove `count` of a client, which were added before."""
        if not count:
            return
        self.inside -= count
        left = self._used[client] - count
        if left:
            self._used[client] = left
        else:
            del self._used[client]

    def hold(self, count: int, client: int = UNKNOWN_CLIENT) -> "Held":
        """Return a context that adds `count` of a client from its start to its end."""
        return Held(self, count, client)

    def before(self, count: int, client: int) -> int:
        """Return how many of what is in use come before `count` more of a client, if all clients take turns."""
        used = self._used.get(client, 0)
        others = len(self._used) - bool(used)
        return min(self.inside, used + (used + count) * others)

    def _refuse(self, reason: str, *, over_share: bool = False) -> NoReturn:
        raise QueueFull(
            f"{reason}; send the request again after the time in Retry-After",
            self._seconds_until_free(self.inside),
            over_share=over_share,
        )


class Held:
    """A context whose count is in use in a CapacityLimiter until its end; `add` increases it."""

    __slots__ = ("_client", "_count", "_first", "_limiter")

    def __init__(self, limiter: CapacityLimiter, first: int, client: int) -> None:
        self._limiter, self._first, self._client, self._count = limiter, first, client, 0

    def add(self, count: int) -> None:
        """Add `count`. Raises QueueFull as CapacityLimiter.enter does, and adds nothing then."""
        self._limiter.enter(count, self._client)
        self._count += count

    def __enter__(self) -> Self:
        self.add(self._first)
        return self

    def __exit__(self, *_error: object) -> None:
        self._limiter.leave(self._count, self._client)


class AdmissionController:
    """Admits the images of one model.

    Up to `capacity` images are admitted at a time, at most half of them bulk, and only if their deadline can be met.
    While more than three quarters of the places are taken, no client gets more than an equal share.
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

    def admit(
        self,
        count: int,
        deadline_s: float,
        priority: Priority = Priority.INTERACTIVE,
        client: int = UNKNOWN_CLIENT,
    ) -> "Admitted":
        """Return a context that admits `count` images of a client at its start, until its end.

        Its start raises QueueFull, or DeadlineExceeded when the deadline is too short even without other images.
        """
        return Admitted(self, count, deadline_s, client, interactive=priority is Priority.INTERACTIVE)

    def enter(self, count: int, deadline_s: float, client: int, *, interactive: bool) -> int:
        """Admit `count` images and return how many others are ahead of them. Raises as `admit` does."""
        before = self.inside - self._bulk.inside if interactive else self.inside
        ahead = min(before, self._all.before(count, client)) if before else 0
        # With nothing ahead the request is admitted in any case; else a forecast that is too high would stay too high.
        if ahead and self.forecast.pessimistic_s(ahead, count) > deadline_s:
            self._refuse(ahead, count, deadline_s)
        self._all.enter(count, client)
        if interactive:
            self._on_interactive(before + count)
            return ahead
        try:
            self._bulk.enter(count, client)
        except QueueFull:
            self._all.leave(count, client)
            raise
        return ahead

    def leave(self, count: int, client: int, *, interactive: bool) -> None:
        self._all.leave(count, client)
        if interactive:
            self._on_interactive(self.inside - self._bulk.inside)
        else:
            self._bulk.leave(count, client)

    def observe(self, ahead: int, count: int, expected_s: float, took_s: float) -> None:
        """Correct the forecast with the time that a request with `count` interactive images took."""
        self.forecast.observe(ahead, count, took_s)
        self._on_error_s(took_s - expected_s)

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


class Admitted:
    """A context in which the images of one request are admitted."""

    __slots__ = ("_ahead", "_client", "_controller", "_count", "_deadline_s", "_expected_s", "_interactive", "_started")

    def __init__(
        self, controller: AdmissionController, count: int, deadline_s: float, client: int, *, interactive: bool
    ) -> None:
        self._controller, self._count, self._client = controller, count, client
        self._deadline_s, self._interactive = deadline_s, interactive

    def __enter__(self) -> Self:
        controller, count = self._controller, self._count
        self._ahead = controller.enter(count, self._deadline_s, self._client, interactive=self._interactive)
        self._expected_s = controller.forecast.expected_s(self._ahead, count)
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_error: object) -> None:
        self._controller.leave(self._count, self._client, interactive=self._interactive)

    def answered(self) -> None:
        """Correct the forecast with the time since the admission.

        Call it at the response, or at the deadline; not for rejected images, whose time says nothing about the engine.
        """
        if self._interactive:
            took_s = time.perf_counter() - self._started
            self._controller.observe(self._ahead, self._count, self._expected_s, took_s)
