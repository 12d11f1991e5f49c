"""A map in threads that keeps the order and reads only a few items ahead."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from models.contract import usable_cores

T = TypeVar("T")
R = TypeVar("R")
_AHEAD = 8
"""Finished results per thread that may wait: enough that no thread idles behind a large image."""


def parallel_map(function: Callable[[T], R], items: Iterable[T], threads: int = 0) -> Iterator[R]:
    """Apply `function` to each item in threads, by default one per core, and yield the results in order.

    Pillow releases Python's lock while it decodes and resizes.
    """
    count = threads or usable_cores()
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(count) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > count * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
