"""Room for bulk work, and whether an image is the only one, in one process."""

import time

import pytest

from service.batching.bulk_slots import BulkSlots


def claims(slots: BulkSlots, concurrency: int) -> int:
    """Claim as many slots as there are."""
    return next(count for count in range(100) if not slots.claim(concurrency))


@pytest.mark.parametrize(
    ("interactive", "bulk", "free"), [(0, 0, 4), (0, 3, 1), (0, 4, 0), (1, 1, 1), (1, 2, 0), (9, 0, 0)]
)
def test_room_for_bulk_work(interactive: int, bulk: int, free: int) -> None:
    """Of four slots; beside interactive images one more is left free."""
    slots = BulkSlots()
    for _ in range(bulk):
        assert slots.claim(4)
    if interactive:
        slots.add_interactive(interactive)
    assert claims(slots, 4) == free


@pytest.mark.parametrize(("interactive", "surplus"), [(0, 0), (1, 1), (2, 2), (9, 3)])
def test_bulk_batches_that_have_to_be_preempted(interactive: int, surplus: int) -> None:
    """Of three where four have room."""
    slots = BulkSlots()
    assert all(slots.claim(4) for _ in range(3))
    if interactive:
        slots.add_interactive(interactive)
    assert slots.surplus(4) == surplus


def test_a_slot_is_kept_for_a_client_that_may_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several, within a second of the last interactive image."""
    slots = BulkSlots()
    slots.add_interactive(1)
    slots.add_interactive(-1)
    assert claims(slots, 2) == 1
    later = time.monotonic() + 10
    monkeypatch.setattr("service.batching.bulk_slots.time.monotonic", lambda: later)
    assert slots.claim(2)


def test_the_only_slot_is_for_bulk_work_too() -> None:
    """Also just after an interactive image."""
    slots = BulkSlots()
    slots.add_interactive(1)
    slots.add_interactive(-1)
    assert slots.claim(1)


def test_bulk_work_that_waits_is_told_of_room() -> None:
    """When the last interactive image has gone; once, and not when nothing waits."""
    slots, told = BulkSlots(), list[str]()
    slots.watch(lambda: told.append("look"))
    slots.add_interactive(1)
    assert not slots.claim(2)
    slots.add_interactive(-1)
    assert told == ["look"]
    slots.add_interactive(1)
    slots.add_interactive(-1)
    assert told == ["look"]


def test_a_slot_that_is_given_back_is_offered() -> None:
    """To bulk work that waits for one."""
    slots, told = BulkSlots(), list[str]()
    slots.watch(lambda: told.append("look"))
    assert claims(slots, 1) == 1
    slots.release(1)
    assert told == ["look"]
    assert slots.claim(1)


def test_each_model_is_told_first_in_its_turn() -> None:
    """Else one with much bulk work would leave nothing to another."""
    slots, told = BulkSlots(), list[str]()
    for name in "ab":
        slots.watch(lambda name=name: told.append(name))  # type: ignore[misc]
    slots.recheck()
    slots.recheck()
    assert told in (["a", "b", "b", "a"], ["b", "a", "a", "b"])


def test_bulk_work_hears_of_interactive_work() -> None:
    """Each time, while a bulk batch runs: it may have to be preempted."""
    slots, told = BulkSlots(), list[str]()
    slots.watch(lambda: told.append("look"))
    assert slots.claim(1)
    slots.add_interactive(1)
    assert told == ["look"]


def test_the_only_request() -> None:
    """One interactive image, and no bulk batch."""
    slots = BulkSlots()
    slots.add_interactive(1)
    assert slots.only_request
    slots.add_interactive(1)
    assert not slots.only_request
    slots.add_interactive(-2)
    assert slots.claim(1)
    assert not slots.only_request
