"""A bounded queue with two priorities; interactive entries are always taken first."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable

from service.batching.client_turns import ClientTurns
from service.batching.entry import Entry
from service.types import Priority


class PriorityQueue:
    """Holds at most `limit` entries. Each batch holds entries of one priority; clients take turns, oldest first."""

    def __init__(
        self, limit: int, bulk_may_leave: Callable[[], bool] = lambda: True, crowded: int | None = None
    ) -> None:
        """Create an empty queue.

        bulk_may_leave: called when no interactive entry waits; returns whether bulk entries may be taken. Call
        `recheck` when its result may have changed. crowded: limit of an interactive batch while one client crowds
        others out; None for the same limit as otherwise.
        """
        self._limit = limit
        self._bulk_may_leave = bulk_may_leave
        self._crowded = {Priority.INTERACTIVE: crowded, Priority.BULK: None}
        self._queues: dict[Priority, ClientTurns] = {priority: ClientTurns() for priority in Priority}
        self._waiters: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    @property
    def idle_waiters(self) -> int:
        """The number of `take` calls that wait for an entry."""
        return len(self._waiters)

    def put(self, entry: Entry, priority: Priority) -> None:
        """Append an entry. Raises asyncio.QueueFull."""
        if len(self) >= self._limit:
            raise asyncio.QueueFull
        self._queues[priority].put(entry)
        self._wake()

    def requeue(self, entries: Iterable[Entry], priority: Priority) -> None:
        """Put entries back before all others, in their order. The limit does not apply to them."""
        if back := list(entries):
            self._queues[priority].put_back(back)
            self._wake()

    async def take(self, most: int, most_bulk: int | None = None) -> tuple[Priority, list[Entry]]:
        """Wait for an entry and return the priority and a batch of up to `most` entries.

        most_bulk: limit of a batch of bulk entries; None for `most`.
        """
        limits = {Priority.INTERACTIVE: most, Priority.BULK: most_bulk or most}
        while True:
            for priority, queue in self._queues.items():
                if queue.has_alive() and (priority is Priority.INTERACTIVE or self._bulk_may_leave()):
                    batch = queue.take(limits[priority], self._crowded[priority])
                    self.recheck()  # another bulk batch may be allowed now
                    return priority, batch
            await self._arrival()

    def recheck(self) -> None:
        """Wake a waiter if bulk entries are queued, so that it calls `bulk_may_leave` again."""
        if self._queues[Priority.BULK]:
            self._wake()

    def drain(self) -> list[Entry]:
        """Remove and return all entries."""
        return [entry for queue in self._queues.values() for entry in queue.clear()]

    async def _arrival(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._wake()  # this waiter was woken and cancelled: wake another one for the entry
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
