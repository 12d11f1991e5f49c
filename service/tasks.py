"""Tasks that run beside what started them."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def begin(work: Coroutine[Any, Any, T], tasks: "set[asyncio.Task[T]]") -> None:
    """Begin work, and keep its task in `tasks` until it has ended: the event loop itself holds tasks only weakly."""
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
