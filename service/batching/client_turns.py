"""The entries of one priority: each client has a queue of its own, and the clients take turns, one entry each."""

from collections import deque
from collections.abc import Iterable
from itertools import islice

from service.batching.entry import Entry


class ClientTurns:
    """A queue of queues. With one client, or one entry of each client, it is a queue in order of arrival.

    Clients of the last batch have their turn after all others. So a client that sends its next request only when it has
    the answer, and is not in the queue when the next batch is taken, gets every second turn beside one that is always
    in the queue.
    """

    def __init__(self) -> None:
        self._queues: dict[int, deque[Entry]] = {}
        """The entries of each client that has some, by its identity, in the order of the clients' turns."""
        self._last: set[int] = set()
        """The clients of the last batch."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, entry: Entry) -> None:
        """Append an entry to those of its client; a client without entries has its turn after all others."""
        queue = self._queues.get(entry.client)
        if queue is None:
            self._queues[entry.client] = deque((entry,))
        else:
            queue.append(entry)
        self._count += 1

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Put entries that were taken before all others, in their order."""
        for entry in reversed(list(entries)):
            queue = self._queues.pop(entry.client, None) or deque()
            queue.appendleft(entry)
            self._queues = {entry.client: queue, **self._queues}
            self._last.discard(entry.client)
            self._count += 1

    def has_alive(self) -> bool:
        """Return whether a client waits for an entry. Removes entries that stand before the first such one."""
        while self._queues:
            client, queue = next(iter(self._queues.items()))
            while queue and not queue[0].alive:
                queue.popleft()
                self._count -= 1
            if queue:
                return True
            del self._queues[client]
        return False

    def take(self, most: int, crowded: int | None = None) -> list[Entry]:
        """Remove and return up to `most` entries that a client waits for, and remove others before them.

        crowded: limit instead of `most` while one client crowds others out; None for the same limit.
        """
        if len(self._queues) == 1 and (crowded is None or crowded >= most or self._count <= most):
            return self._take_of_one(most)
        if crowded is not None and crowded < most and self._is_crowded(most):
            most = crowded
        batch: list[Entry] = []
        first = deque(islice((client for client in self._queues if client not in self._last), most))
        while len(batch) < most and self._queues:
            entry = self._next_of(first.popleft() if first else next(iter(self._queues)))
            if entry is not None:
                batch.append(entry)
        self._last = {entry.client for entry in batch}
        return batch

    def clear(self) -> list[Entry]:
        """Remove and return all entries."""
        left = [entry for queue in self._queues.values() for entry in queue]
        self._queues.clear()
        self._count = 0
        return left

    def _take_of_one(self, most: int) -> list[Entry]:
        """Do what `take` does where all entries are of one client, in a quarter of the time."""
        ((client, queue),) = self._queues.items()
        batch: list[Entry] = []
        while queue and len(batch) < most:
            entry = queue.popleft()
            if entry.alive:
                batch.append(entry)
        self._count = len(queue)
        if not queue:
            del self._queues[client]
        self._last = {client} if batch else set()
        return batch

    def _next_of(self, client: int) -> Entry | None:
        """Remove and return the first entry that a client waits for, and give others their turn; None without one."""
        queue = self._queues.pop(client)
        found = None
        while queue and found is None:
            entry = queue.popleft()
            self._count -= 1
            found = entry if entry.alive else None
        if queue:
            self._queues[client] = queue  # the last one in the dictionary now
        return found

    def _is_crowded(self, most: int) -> bool:
        """Return whether one client alone has more than a batch and three quarters of the queue, and others take part.

        Others are those in the queue or in the last batch. With more entries than a quarter they fill their part of
        each batch, and short batches would gain them nothing.
        """
        if self._count <= most:
            return False
        client, longest = max(self._queues.items(), key=lambda each: len(each[1]))
        return len(longest) > max(most, 3 * self._count // 4) and bool((self._queues.keys() | self._last) - {client})
