"""The queue in front of the engine: bounded, with two priorities, and without entries that no client waits for."""

import asyncio

import numpy as np
import pytest

from service.batching.entry import Entry
from service.batching.queue import PriorityQueue
from service.types import Priority, ReadyPixels

BULK, INTERACTIVE = Priority.BULK, Priority.INTERACTIVE


def entry(*, alive: bool = True, client: int = 0) -> Entry:
    """Return the entry of an image that a client waits for, or no longer waits for."""
    new = Entry(ReadyPixels(np.zeros((2, 2, 3), np.uint8)), False, asyncio.get_running_loop().create_future(), client)
    if not alive:
        new.result.cancel()
    return new


async def test_interactive_entries_leave_first() -> None:
    """Each batch holds one priority, oldest first, without the entries that no client waits for."""
    queue = PriorityQueue(8)
    b0, b1, b2, i1, i2 = [entry() for _ in range(5)]
    for waiting, priority in ((b1, BULK), (i1, INTERACTIVE), (b2, BULK), (i2, INTERACTIVE)):
        queue.put(waiting, priority)
    queue.put(entry(alive=False), INTERACTIVE)
    queue.requeue([b0], BULK)
    taken = [await queue.take(2) for _ in range(3)]
    assert taken == [(INTERACTIVE, [i1, i2]), (BULK, [b0, b1]), (BULK, [b2])]


async def test_clients_take_turns_within_a_priority() -> None:
    """An interactive batch is shorter while one client crowds another out; a bulk batch is not."""
    queue = PriorityQueue(16, crowded=1)
    for priority in (BULK, INTERACTIVE):
        for client in (1, 1, 1, 1, 1, 2):
            queue.put(entry(client=client), priority)
    taken = [await queue.take(2) for _ in range(7)]
    assert [(priority, [each.client for each in batch]) for priority, batch in taken] == [
        (INTERACTIVE, [1]),
        (INTERACTIVE, [2]),
        (INTERACTIVE, [1]),
        (INTERACTIVE, [1, 1]),
        (INTERACTIVE, [1]),
        (BULK, [1, 2]),
        (BULK, [1, 1]),
    ]


async def test_a_full_queue_is_full_for_both() -> None:
    """Both priorities share one limit."""
    queue = PriorityQueue(1)
    queue.put(entry(), BULK)
    with pytest.raises(asyncio.QueueFull):
        queue.put(entry(), INTERACTIVE)


async def test_a_waiter_that_is_cancelled_wakes_the_next_one() -> None:
    """An entry is taken although the waiter that was woken for it is cancelled."""
    queue = PriorityQueue(4)
    first, second = (asyncio.create_task(queue.take(1)) for _ in range(2))
    await asyncio.sleep(0)
    queue.put(waiting := entry(), BULK)
    first.cancel()
    assert (await second)[1] == [waiting]
    assert queue.idle_waiters == 0


async def test_bulk_entries_leave_only_when_they_may() -> None:
    """A bulk entry waits until `bulk_may_leave` allows it, and is then taken after `recheck`."""
    allowed = False
    queue = PriorityQueue(4, lambda: allowed)
    queue.put(waiting := entry(), BULK)
    taken = asyncio.create_task(queue.take(1))
    await asyncio.sleep(0)
    assert not taken.done()
    allowed = True
    queue.recheck()
    assert (await taken) == (BULK, [waiting])


async def test_no_bulk_slot_is_claimed_when_no_client_waits() -> None:
    """`bulk_may_leave` claims a slot, so it is not called for entries that are dropped."""
    claims = 0

    def claim() -> bool:
        nonlocal claims
        claims += 1
        return True

    queue = PriorityQueue(4, claim)
    queue.put(entry(alive=False), BULK)
    taken = asyncio.create_task(queue.take(1))
    await asyncio.sleep(0)
    assert (claims, len(queue)) == (0, 0)
    queue.put(waiting := entry(), INTERACTIVE)
    assert await taken == (INTERACTIVE, [waiting])
