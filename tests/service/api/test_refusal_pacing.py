"""Refusals are told at once while they are few beside answers, and after a wait when they are many."""

import asyncio
import contextlib

import pytest

from service.api.refusal_pacing import RefusalPacer

FREE = 64


async def refusals(pacing: RefusalPacer, count: int, deadline_s: float = 1.0) -> list["asyncio.Task[None]"]:
    """As many clients that are refused in this moment."""
    tasks = [asyncio.create_task(pacing.refuse(deadline_s)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


def paced(most_waiting: int) -> RefusalPacer:
    """While no time passes."""
    return RefusalPacer(most_waiting, clock=lambda: 0.0)


def waiting(tasks: list["asyncio.Task[None]"]) -> int:
    return sum(not task.done() for task in tasks)


async def test_a_burst_is_told_at_once_and_more_than_that_waits() -> None:
    """All are told in the end."""
    pacing = paced(1000)
    tasks = await refusals(pacing, FREE + 10)
    assert waiting(tasks) == pacing.waiting == 10
    await asyncio.gather(*tasks)
    assert pacing.waiting == 0


async def test_a_client_over_its_share_always_waits() -> None:
    """It is refused for the sake of others, and would otherwise ask again at once."""
    pacing = paced(1)
    first = asyncio.create_task(pacing.refuse(1.0, over_share=True))
    await asyncio.sleep(0)
    assert waiting([first]) == pacing.waiting == 1
    await pacing.refuse(1.0, over_share=True)  # beyond the limit of those that wait
    await first


async def test_two_refusals_for_each_answer_never_wait() -> None:
    """At three times the load."""
    pacing = paced(1000)
    for _ in range(10 * FREE):
        assert not waiting(await refusals(pacing, 2))
        pacing.answered()


async def test_time_makes_room_too() -> None:
    """Who is refused an hour after a storm does not wait."""
    now = 0.0
    pacing = RefusalPacer(1000, clock=lambda: now)
    tasks = await refusals(pacing, 100 * FREE, deadline_s=0)
    now += 3600
    later = await refusals(pacing, FREE + 1)
    assert waiting(later) == 1
    await asyncio.gather(*tasks, *later)


async def test_answers_make_room_again() -> None:
    """However many were refused before."""
    pacing = paced(1000)
    tasks = await refusals(pacing, 100 * FREE, deadline_s=0)
    for _ in range(FREE):
        pacing.answered()
    later = await refusals(pacing, FREE + 1)
    assert waiting(later) == 1
    await asyncio.gather(*tasks, *later)


async def test_no_more_wait_than_there_is_room_for() -> None:
    """Further ones are told at once."""
    pacing = paced(5)
    tasks = await refusals(pacing, FREE + 20)
    assert waiting(tasks) == pacing.waiting == 5
    await asyncio.gather(*tasks)


async def test_a_client_that_leaves_gives_its_place_back() -> None:
    pacing = paced(5)
    tasks = await refusals(pacing, FREE + 5)
    for task in tasks:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks)
    await asyncio.wait(tasks)
    assert pacing.waiting == 0


@pytest.mark.timeout(10)
async def test_nobody_waits_longer_than_the_deadline() -> None:
    """Of no time at all here."""
    pacing = paced(5)
    await asyncio.gather(*await refusals(pacing, FREE + 5, deadline_s=0))
    assert pacing.waiting == 0
