"""Looks at the repository folder again and again, and says when it has changed.

By stat, which works on network and FUSE file systems and for the linked folders of Kubernetes, where the kernel's own
notices (inotify) do not arrive.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

INTERVAL_S = 2.0
"""Seconds between two looks."""
_MOST_ENTRIES = 100_000
"""Entries of the folder that are looked at; beyond, a change may go unnoticed."""
_DEPTH = 4
"""Folders below the repository that are looked at: model, version, and two of the files of a bundle."""


class Watcher:
    """Calls `changed` after each change of a folder."""

    def __init__(
        self, repository: Path, changed: Callable[[], Awaitable[None]], interval_s: float = INTERVAL_S
    ) -> None:
        self._repository, self._changed, self._interval_s = repository, changed, interval_s

    async def run(self) -> None:
        """Look until cancelled. The first look counts as a change, because the folder may have changed before it."""
        seen: int | None = None
        while True:
            now = await asyncio.to_thread(signature, self._repository)
            if now != seen:
                seen = now
                await self._follow()
            await asyncio.sleep(self._interval_s)

    async def _follow(self) -> None:
        try:
            await self._changed()
        except Exception:
            logger.exception("a change of %s could not be followed; the next one is tried again", self._repository)


def signature(repository: Path) -> int:
    """Return a number that changes when any file below a folder is written, replaced, added or removed.

    It changes with the permissions of a file too.
    """
    return hash(tuple(_entries(str(repository), _DEPTH, [_MOST_ENTRIES])))


def _entries(folder: str, depth: int, left: list[int]) -> Iterator[tuple[object, ...]]:
    """Yield what tells the entries of a folder and of those in it apart. left: one number, of entries to look at."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        yield folder, error.errno
        return
    for name in names:
        if left[0] <= 0:
            return
        left[0] -= 1
        path = os.path.join(folder, name)
        try:
            found = os.stat(path)
        except OSError as error:
            yield path, error.errno
            continue
        if os.path.isdir(path):
            yield path, found.st_ino
            if depth > 1 and not name.startswith("."):
                yield from _entries(path, depth - 1, left)
        else:
            yield path, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino  # ctime: other permissions
