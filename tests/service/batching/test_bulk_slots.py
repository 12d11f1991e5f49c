"""Room for bulk work, and who is alone, in one process and beside others."""

import asyncio
import math
import time
from dataclasses import dataclass

import pytest

from service.batching.bulk_slots import Occupancy


@dataclass
class Neighbour:
    count: int = 1
    urgent: int = 0
    urgent_at: float = -math.inf
    bulk: int = 0
    waits: bool = False
    precede: bool = False
    told: tuple[int, int, bool] = (0, 0, False)

    def post(self, urgent: int, urgent_at: float, bulk: int, *, waits: bool) -> None:
        self.told = (urgent, bulk, waits)


def claims(occupancy: Occupancy, concurrency: int) -> int:
    """As many as there are places for."""
    return next(count for count in range(100) if not occupancy.claim(concurrency))


@pytest.mark.parametrize(
    ("urgent", "bulk", "places"), [(0, 0, 4), (0, 3, 1), (0, 4, 0), (1, 1, 1), (1, 2, 0), (9, 0, 0)]
)
def test_room_for_bulk_work(urgent: int, bulk: int, places: int) -> None:
    """Of four places; beside interactive images one more is left free. Neighbours count as this process does."""
    here, beside = Occupancy(), Occupancy(Neighbour(urgent=urgent, bulk=bulk))
    for _ in range(bulk):
        assert here.claim(4)
    if urgent:
        here.add_urgent(urgent)
    assert claims(here, 4) == places
    assert claims(beside, 2) == places


@pytest.mark.parametrize(("urgent", "surplus"), [(0, 0), (1, 1), (2, 2), (9, 3)])
def test_bulk_batches_that_have_to_go(urgent: int, surplus: int) -> None:
    """Of three where four have room."""
    occupancy = Occupancy()
    assert all(occupancy.claim(4) for _ in range(3))
    if urgent:
        occupancy.add_urgent(urgent)
    assert occupancy.surplus(4) == surplus


def test_who_comes_first_keeps_the_place() -> None:
    """Two neighbours that both claimed the only one, or have to give up one of two."""
    neighbour = Neighbour()
    occupancy = Occupancy(neighbour)
    assert occupancy.claim(1)
    neighbour.bulk, neighbour.urgent_at = 1, time.monotonic()
    assert occupancy.surplus(1) == 0
    neighbour.precede = True
    assert occupancy.surplus(1) == 1
    neighbour.precede, neighbour.urgent = False, 1
    assert occupancy.surplus(1) == 1


def test_a_claim_that_came_second_is_taken_back() -> None:
    """It was made in the same moment as that of a neighbour that comes first."""

    class Racing(Neighbour):
        def post(self, urgent: int, urgent_at: float, bulk: int, *, waits: bool) -> None:
            super().post(urgent, urgent_at, bulk, waits=waits)
            self.bulk = 2

    neighbour = Racing(precede=True)
    occupancy = Occupancy(neighbour)
    assert not occupancy.claim(1)
    assert neighbour.told == (0, 0, True)


def test_a_place_is_kept_for_who_comes_again() -> None:
    """Of several, within a second of the last interactive image, here or elsewhere."""
    neighbour = Neighbour(bulk=1, urgent_at=time.monotonic())
    beside = Occupancy(neighbour)
    assert not beside.claim(1)
    neighbour.urgent_at -= 10
    assert beside.claim(1)


def test_the_only_place_is_for_bulk_work_too() -> None:
    occupancy = Occupancy()
    occupancy.add_urgent(1)
    occupancy.add_urgent(-1)
    assert occupancy.claim(1)


def test_whoever_waits_for_room_is_told() -> None:
    """When the last interactive image has gone; once, and not when nobody waits."""
    occupancy, told = Occupancy(), list[str]()
    occupancy.watch(lambda: told.append("look"))
    occupancy.add_urgent(1)
    assert not occupancy.claim(2)
    occupancy.add_urgent(-1)
    assert told == ["look"]
    occupancy.add_urgent(1)
    occupancy.add_urgent(-1)
    assert told == ["look"]


def test_each_model_is_told_first_in_its_turn() -> None:
    """Else one with much bulk work would leave nothing to another."""
    occupancy, told = Occupancy(), list[str]()
    for name in "ab":
        occupancy.watch(lambda name=name: told.append(name))  # type: ignore[misc]
    occupancy.look_again()
    occupancy.look_again()
    assert told in (["a", "b", "b", "a"], ["b", "a", "a", "b"])


def test_bulk_work_hears_of_interactive_work() -> None:
    """Each time, while a bulk batch runs: it may have to give way."""
    occupancy, told = Occupancy(), list[str]()
    occupancy.watch(lambda: told.append("look"))
    assert occupancy.claim(1)
    occupancy.add_urgent(1)
    assert told == ["look"]


def test_neighbours_are_told_who_waits() -> None:
    """They ring when there may be room; nobody is said to wait when nobody does any more."""
    neighbour = Neighbour(urgent=2)
    occupancy = Occupancy(neighbour)
    assert not occupancy.claim(1)
    assert neighbour.told == (0, 0, True)
    neighbour.urgent = 0
    occupancy.look_again()
    assert neighbour.told == (0, 0, False)
    assert occupancy.claim(1)


async def test_a_neighbour_that_waits_comes_next() -> None:
    """Whoever has just run bulk work leaves the place to it for a moment, and then looks again."""
    neighbour, looked = Neighbour(), asyncio.Event()
    occupancy = Occupancy(neighbour)
    occupancy.watch(looked.set)
    assert occupancy.claim(1)
    neighbour.waits = True
    occupancy.release(1)
    assert not occupancy.claim(1)
    await asyncio.wait_for(looked.wait(), 5)
    assert occupancy.claim(1)


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
