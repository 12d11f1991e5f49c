"""Several processes, one cache: the first downloads, the others find what it left."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = ".lock"


@contextmanager
def exclusive_lock(cache: Path) -> Iterator[None]:
    """Waits until no other process is in such a block for `cache`; the kernel lets go for one that dies.

    A folder that cannot be written takes no downloads, so there is nothing to wait for.
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
