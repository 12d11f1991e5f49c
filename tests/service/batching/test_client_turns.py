"""Clients take turns, whatever the number of their images."""

import asyncio

import numpy as np

from service.batching.client_turns import ClientTurns
from service.batching.entry import Entry
from service.types import ReadyPixels


def entry(client: int, *, alive: bool = True) -> Entry:
    """Return the entry of an image that a client waits for, or no longer waits for."""
    new = Entry(ReadyPixels(np.zeros((2, 2, 3), np.uint8)), False, asyncio.get_running_loop().create_future(), client)
    if not alive:
        new.result.cancel()
    return new


def turns_of(*clients: int) -> ClientTurns:
    turns = ClientTurns()
    for client in clients:
        turns.put(entry(client))
    return turns


def clients(batch: list[Entry]) -> list[int]:
    return [each.client for each in batch]


async def test_each_client_has_one_entry_in_turn() -> None:
    """Also inside a batch; what is left of a client comes when no other waits."""
    turns = turns_of(1, 1, 1, 1, 2, 2, 3)
    assert clients(turns.take(4)) == [1, 2, 3, 1]
    assert (len(turns), clients(turns.take(4)), len(turns)) == (3, [2, 1, 1], 0)
    assert turns.take(4) == []


async def test_one_client_is_a_queue() -> None:
    """Oldest first."""
    turns, entries = ClientTurns(), [entry(1) for _ in range(5)]
    for each in entries:
        turns.put(each)
    assert turns.take(2) + turns.take(8) == entries


async def test_a_client_that_asks_again_after_each_answer_gets_every_second_turn() -> None:
    """Beside one with a hundred images, although it is not in the queue when its answer leaves."""
    turns = turns_of(*[1] * 100)
    order = []
    for _ in range(10):
        order += clients(turns.take(1))
        if order[-1] == 1:
            turns.put(entry(2))
    assert order == [1, 2] * 5


async def test_ever_new_clients_leave_every_second_turn_to_another() -> None:
    """So that many addresses of one client do not keep all others out."""
    turns = turns_of(1, 1, 1, 1)
    order = []
    for new in range(2, 8):
        turns.put(entry(new))
        order += clients(turns.take(1))
    assert order.count(1) >= 3


async def test_entries_that_no_client_waits_for_are_left_out() -> None:
    """They do not take the turn of a client that has others."""
    turns = ClientTurns()
    for client, alive in ((1, False), (1, True), (2, False), (1, True), (3, True)):
        turns.put(entry(client, alive=alive))
    assert turns.has_alive()
    assert clients(turns.take(8)) == [1, 3, 1]
    turns.put(entry(4, alive=False))
    assert (turns.has_alive(), len(turns)) == (False, 0)


async def test_entries_that_were_put_back_are_taken_first_again() -> None:
    """In the same order."""
    turns = turns_of(1, 2, 1, 2, 3)
    batch = turns.take(4)
    turns.put_back(batch[1:])
    assert len(turns) == 4
    assert turns.take(3) == batch[1:]


async def test_a_batch_is_short_while_one_client_crowds_others_out() -> None:
    """From the moment at which it alone has more than a batch, and more than three times what all others have."""
    turns = turns_of(*[1] * 12)
    assert len(turns.take(4, crowded=1)) == 4
    turns.put(entry(2))
    assert [clients(turns.take(4, crowded=1)) for _ in range(3)] == [[2], [1], [1, 1, 1, 1]]
    equal = turns_of(*[1, 2] * 10)
    assert len(equal.take(4, crowded=1)) == 4


async def test_similar_clients_do_not_shorten_batches() -> None:
    """One of them may have twice as many entries as the other; both have their half of a whole batch."""
    turns = turns_of(*[1] * 16, *[2] * 8)
    assert clients(turns.take(4, crowded=1)) == [1, 2, 1, 2]


async def test_a_client_of_the_last_batch_takes_turns_in_the_next_one_too() -> None:
    """It only comes after the others: one that is absent for a moment does not get whole batches in return."""
    turns = turns_of(*[1] * 12)
    assert clients(turns.take(4)) == [1, 1, 1, 1]
    for _ in range(6):
        turns.put(entry(2))
    assert [clients(turns.take(4)) for _ in range(2)] == [[2, 1, 2, 1], [2, 1, 2, 1]]


async def test_all_entries_leave_at_the_end() -> None:
    """And none is left."""
    turns = turns_of(1, 2, 1)
    assert (len(turns.clear()), len(turns), turns.has_alive()) == (3, 0, False)
