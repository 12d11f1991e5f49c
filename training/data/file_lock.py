"""A lock for a cache folder that several processes share: one downloads, the others wait and use its files."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = ".lock"


@contextmanager
def exclusive_lock(cache: Path) -> Iterator[None]:
    """Hold the lock of `cache` inside the block. The kernel releases the lock of a process that dies.

    A folder that cannot be written takes no downloads, so there is nothing to lock.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / _LOCK).open("w")
    except OSError:
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
