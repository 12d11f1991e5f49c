"""What fronts know of each other."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from service.batching.bulk_slots import Occupancy
from service.server.workers.board import Board, Others


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board.made(3)
    yield board
    for descriptor in board.descriptors:
        os.close(descriptor)


def seen_by(board: Board, number: int) -> Others:
    """As another process sees it: the same memory, mapped once more."""
    return Others(Board(board.descriptors[0], board.descriptors[1:]), number)


def test_each_sees_the_sum_of_the_others(board: Board) -> None:
    first, second, third = (seen_by(board, number) for number in range(3))
    first.post(3, 0.0, 0, waits=False)
    second.post(4, 0.0, 1, waits=False)
    assert (first.count, first.urgent, first.bulk) == (2, 4, 1)
    assert (second.urgent, second.bulk) == (3, 0)
    assert (third.urgent, third.bulk) == (7, 1)


def test_who_starts_again_starts_empty(board: Board) -> None:
    """Nobody knows what became of the process before it."""
    seen_by(board, 0).post(3, 0.0, 2, waits=True)
    seen_by(board, 0)
    assert seen_by(board, 1).urgent == 0


async def test_a_bell_rings_for_those_with_bulk_work(board: Board) -> None:
    """For who runs some when there is more interactive work, for who waits when there may be room; for nobody else."""
    rung: list[int] = []
    fronts = [seen_by(board, number) for number in range(3)]
    for number, front in enumerate(fronts):
        front.listen(lambda number=number: rung.append(number))  # type: ignore[misc]
    fronts[1].post(0, 0.0, 1, waits=False)
    fronts[2].post(0, 0.0, 0, waits=True)
    for urgent, expected in ((1, [1]), (3, [1, 1]), (2, [1, 1, 2]), (0, [1, 1, 2, 2])):
        fronts[0].post(urgent, 0.0, 0, waits=False)
        await asyncio.sleep(0.01)
        assert rung == expected
    fronts[1].post(0, 0.0, 0, waits=False)
    await asyncio.sleep(0.01)
    assert rung == [1, 1, 2, 2, 2]


def test_who_comes_first(board: Board) -> None:
    """Of those that run bulk work."""
    first, second, third = (seen_by(board, number) for number in range(3))
    second.post(0, 0.0, 1, waits=False)
    assert [front.precede for front in (first, second, third)] == [False, False, True]


async def test_the_death_of_a_front_makes_room(board: Board) -> None:
    """Bulk work of another one that waited for its images goes on."""
    dead, alive = seen_by(board, 0), seen_by(board, 1)
    occupancy, looked = Occupancy(alive), asyncio.Event()
    occupancy.watch(looked.set)
    alive.listen(occupancy.neighbours_changed)
    dead.post(2, 0.0, 0, waits=False)
    assert not occupancy.claim(1)
    board.clear(0)
    await asyncio.wait_for(looked.wait(), 5)
    assert occupancy.claim(1)
