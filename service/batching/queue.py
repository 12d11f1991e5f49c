"""What waits for an engine: two queues with one bound, the interactive one always served first."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from service.types import Priority


class Waits(Protocol):
    """Something in a queue; nobody waits for it any more when it is not `alive`."""

    @property
    def alive(self) -> bool: ...


T = TypeVar("T", bound=Waits)


class PriorityQueue(Generic[T]):
    """At most `limit` things; each batch holds those of one priority, oldest first."""

    def __init__(self, limit: int, bulk_may_leave: Callable[[], bool] = lambda: True) -> None:
        """bulk_may_leave: asked when nothing interactive waits; call `look_again` when the answer may have changed."""
        self._limit = limit
        self._bulk_may_leave = bulk_may_leave
        self._queues: dict[Priority, deque[T]] = {priority: deque() for priority in Priority}
        self._takers: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    @property
    def idle_waiters(self) -> int:
        """Who waits for something to come."""
        return len(self._takers)

    def put(self, thing: T, priority: Priority) -> None:
        """Raises asyncio.QueueFull."""
        if len(self) >= self._limit:
            raise asyncio.QueueFull
        self._queues[priority].append(thing)
        self._wake()

    def requeue(self, things: Iterable[T], priority: Priority) -> None:
        """Before all others, in their order; they had places before, so the limit is not asked."""
        if back := list(things):
            self._queues[priority].extendleft(reversed(back))
            self._wake()

    async def take(self, most: int, most_bulk: int | None = None) -> tuple[Priority, list[T]]:
        """At least one thing, waited for, and at most so many; `most` too of bulk work by default."""
        limits = {Priority.INTERACTIVE: most, Priority.BULK: most_bulk or most}
        while True:
            for priority, queue in self._queues.items():
                _drop_dead(queue)
                if queue and (priority is Priority.INTERACTIVE or self._bulk_may_leave()):
                    batch = _first_alive(queue, limits[priority])
                    self.look_again()  # there may be room for another one
                    return priority, batch
            await self._arrival()

    def look_again(self) -> None:
        """For whoever waits while there is something that was not to leave."""
        if self._queues[Priority.BULK]:
            self._wake()

    def drain(self) -> list[T]:
        """All that is left."""
        left = [thing for queue in self._queues.values() for thing in queue]
        for queue in self._queues.values():
            queue.clear()
        return left

    async def _arrival(self) -> None:
        taker = asyncio.get_running_loop().create_future()
        self._takers.append(taker)
        try:
            await taker
        except asyncio.CancelledError:
            if taker.done() and not taker.cancelled():
                self._wake()  # it was woken for something that another one has to take now
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._takers.remove(taker)

    def _wake(self) -> None:
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                return


def _drop_dead(queue: deque[T]) -> None:
    """From its beginning."""
    while queue and not queue[0].alive:
        queue.popleft()


def _first_alive(queue: deque[T], most: int) -> list[T]:
    batch: list[T] = []
    while queue and len(batch) < most:
        thing = queue.popleft()
        if thing.alive:
            batch.append(thing)
    return batch
