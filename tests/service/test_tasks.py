"""Work that was begun is kept until it has ended."""

import asyncio

from service.tasks import begin


async def test_a_task_is_kept_until_it_has_ended() -> None:
    """Whoever holds the set can wait for what is in it, or cancel it."""
    tasks, ended = set[asyncio.Task[None]](), asyncio.Event()

    async def work() -> None:
        await ended.wait()

    begin(work(), tasks)
    (task,) = tasks
    await asyncio.sleep(0)
    assert not task.done()
    ended.set()
    await task
    await asyncio.sleep(0)
    assert tasks == set()
