"""Room for bulk work, and who is alone, in one process and beside others."""

import asyncio
import math
import time
from dataclasses import dataclass

import pytest

from service.occupancy import Occupancy


@dataclass
class Neighbour:
    count: int = 1
    urgent: int = 0
    urgent_at: float = -math.inf
    bulk: int = 0
    waits: bool = False
    told: tuple[int, int, bool] = (0, 0, False)

    def post(self, urgent: int, urgent_at: float, bulk: int, *, waits: bool) -> None:
        self.told = (urgent, bulk, waits)


@pytest.mark.parametrize(
    ("urgent", "bulk", "room", "crowded"),
    [
        (0, 0, True, False),
        (0, 3, True, False),
        (0, 4, False, False),
        (1, 1, True, False),
        (1, 2, False, False),
        (1, 3, False, True),
        (3, 0, False, False),
        (9, 1, False, True),
    ],
)
def test_room_for_bulk_work(urgent: int, bulk: int, room: bool, crowded: bool) -> None:
    """Of four places; beside interactive images one more is left free. Neighbours count as this process does."""
    here, beside = Occupancy(), Occupancy(Neighbour(urgent=urgent, bulk=bulk))
    if urgent:
        here.add_urgent(urgent)
    here.add_bulk(bulk)
    assert (here.has_room(4), here.is_crowded(4)) == (room, crowded)
    assert (beside.has_room(2), beside.is_crowded(2)) == (room, crowded)


def test_a_place_is_kept_for_who_comes_again() -> None:
    """Of several, within a second of the last interactive image, here or elsewhere."""
    neighbour = Neighbour(bulk=1, urgent_at=time.monotonic())
    beside = Occupancy(neighbour)
    assert not beside.has_room(1)
    assert not beside.is_crowded(1)
    neighbour.urgent_at -= 10
    assert beside.has_room(1)
    beside.add_urgent(1)
    beside.add_urgent(-1)
    assert not beside.has_room(1)


def test_the_only_place_is_for_bulk_work_too() -> None:
    occupancy = Occupancy()
    occupancy.add_urgent(1)
    occupancy.add_urgent(-1)
    assert occupancy.has_room(1)


def test_whoever_waits_for_room_is_told() -> None:
    """When the last interactive image has gone, or a bulk batch has ended; once, and not when nobody waits."""
    occupancy, told = Occupancy(), list[str]()
    occupancy.watch(lambda: told.append("look"))
    occupancy.add_urgent(1)
    assert not occupancy.has_room(2)
    occupancy.add_urgent(-1)
    assert told == ["look"]
    occupancy.add_urgent(1)
    occupancy.add_urgent(-1)
    assert told == ["look"]


def test_bulk_work_hears_of_interactive_work() -> None:
    """Each time, while a bulk batch runs: it may have to give way."""
    occupancy, told = Occupancy(), list[str]()
    occupancy.watch(lambda: told.append("look"))
    occupancy.add_bulk(1)
    occupancy.add_urgent(1)
    assert told == ["look"]


def test_neighbours_are_told_who_waits() -> None:
    """They ring when there may be room."""
    neighbour = Neighbour(urgent=2)
    occupancy = Occupancy(neighbour)
    assert not occupancy.has_room(1)
    assert neighbour.told == (0, 0, True)
    neighbour.urgent = 0
    occupancy.look_again()
    assert occupancy.has_room(1)


async def test_a_neighbour_that_waits_comes_next() -> None:
    """Whoever has just run bulk work leaves the place to it for a moment, and then looks again."""
    neighbour, looked = Neighbour(), asyncio.Event()
    occupancy = Occupancy(neighbour)
    occupancy.watch(looked.set)
    occupancy.add_bulk(1)
    neighbour.waits = True
    occupancy.add_bulk(-1)
    assert not occupancy.has_room(1)
    await asyncio.wait_for(looked.wait(), 5)
    assert occupancy.has_room(1)


def test_alone() -> None:
    """One image, and nothing else, here and elsewhere."""
    neighbour = Neighbour()
    occupancy = Occupancy(neighbour)
    occupancy.add_urgent(1)
    assert occupancy.alone
    neighbour.urgent = 1
    assert not occupancy.alone
    neighbour.urgent, neighbour.bulk = 0, 1
    assert not occupancy.alone
