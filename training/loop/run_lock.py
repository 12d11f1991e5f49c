"""A lock on the folder of a run, so that no two processes train it at once. The kernel releases it with the process."""

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from training.errors import RefusedRunError

if sys.platform != "win32":
    import fcntl


class RunLock:
    """Context manager that releases the lock it has taken, if any. Where folders cannot be locked, it does nothing."""

    def __init__(self) -> None:
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def take(self, folder: Path) -> None:
        """Lock the folder of a run, and release the former one. No-op for a folder that is not there.

        Raises RefusedRunError where another process has locked it.
        """
        self.release()
        if sys.platform == "win32" or not folder.is_dir():
            return
        self._descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise RefusedRunError(
                f"another process trains {folder} at this moment: wait until it has ended, or stop it"
            ) from None
        except OSError:  # a file system without locks
            self.release()

    def release(self) -> None:
        """Release the lock, if one is held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
