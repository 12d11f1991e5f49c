"""A bounded queue with two priorities; interactive items are always taken first."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from service.types import Priority


class Waits(Protocol):
    """An item of the queue. `alive` is false when the client no longer waits for it."""

    @property
    def alive(self) -> bool: ...


T = TypeVar("T", bound=Waits)


class PriorityQueue(Generic[T]):
    """Holds at most `limit` items. Each batch holds items of one priority, oldest first."""

    def __init__(self, limit: int, bulk_may_leave: Callable[[], bool] = lambda: True) -> None:
        """Create an empty queue.

        bulk_may_leave: called when no interactive item waits; returns whether bulk items may be taken. Call
        `recheck` when its result may have changed.
        """
        self._limit = limit
        self._bulk_may_leave = bulk_may_leave
        self._queues: dict[Priority, deque[T]] = {priority: deque() for priority in Priority}
        self._waiters: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    @property
    def idle_waiters(self) -> int:
        """The number of `take` calls that wait for an item."""
        return len(self._waiters)

    def put(self, thing: T, priority: Priority) -> None:
        """Append an item. Raises asyncio.QueueFull."""
        if len(self) >= self._limit:
            raise asyncio.QueueFull
        self._queues[priority].append(thing)
        self._wake()

    def requeue(self, things: Iterable[T], priority: Priority) -> None:
        """Put items back before all others, in their order. The limit does not apply: they were in the queue before."""
        if back := list(things):
            self._queues[priority].extendleft(reversed(back))
            self._wake()

    async def take(self, most: int, most_bulk: int | None = None) -> tuple[Priority, list[T]]:
        """Wait for an item and return the priority and a batch of up to `most` items.

        most_bulk: limit of a batch of bulk items; None for `most`.
        """
        limits = {Priority.INTERACTIVE: most, Priority.BULK: most_bulk or most}
        while True:
            for priority, queue in self._queues.items():
                _drop_dead(queue)
                if queue and (priority is Priority.INTERACTIVE or self._bulk_may_leave()):
                    batch = _first_alive(queue, limits[priority])
                    self.recheck()  # another bulk batch may be allowed now
                    return priority, batch
            await self._arrival()

    def recheck(self) -> None:
        """Wake a waiter if bulk items are queued, so that it calls `bulk_may_leave` again."""
        if self._queues[Priority.BULK]:
            self._wake()

    def drain(self) -> list[T]:
        """Remove and return all items."""
        left = [thing for queue in self._queues.values() for thing in queue]
        for queue in self._queues.values():
            queue.clear()
        return left

    async def _arrival(self) -> None:
        taker = asyncio.get_running_loop().create_future()
        self._waiters.append(taker)
        try:
            await taker
        except asyncio.CancelledError:
            if taker.done() and not taker.cancelled():
                self._wake()  # this waiter was woken and cancelled: wake another one for the item
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._waiters.remove(taker)

    def _wake(self) -> None:
        while self._waiters:
            taker = self._waiters.popleft()
            if not taker.done():
                taker.set_result(None)
                return


def _drop_dead(queue: deque[T]) -> None:
    """Remove the items at the beginning that are not alive."""
    while queue and not queue[0].alive:
        queue.popleft()


def _first_alive(queue: deque[T], most: int) -> list[T]:
    batch: list[T] = []
    while queue and len(batch) < most:
        thing = queue.popleft()
        if thing.alive:
            batch.append(thing)
    return batch
