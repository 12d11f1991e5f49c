"""Storage for pixels: in memory up to a limit, beyond it in temporary files that the kernel removes with the
process.
"""

import os
import tempfile
from pathlib import Path

import numpy as np

from models.contract import Pixels
from training.errors import DatasetError

MEMORY_BYTES = 4 << 30
"""Default memory limit for all parts of a data set together."""


def default_cache() -> Path:
    """Return the folder for downloads and pixels: `$XDG_CACHE_HOME/snellen`, by default `~/.cache/snellen`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "snellen"


class PixelStorage:
    """Allocates arrays and counts their bytes. The folder `cache` is made when it is first needed."""

    def __init__(self, cache: Path, memory_bytes: int = MEMORY_BYTES) -> None:
        self._cache, self._left_bytes = cache, memory_bytes

    def empty(self, shape: tuple[int, ...]) -> Pixels:
        """Return uint8 of `shape` with undefined contents. Raises DatasetError when the disk is full."""
        size = int(np.prod(shape, dtype=object))
        if size > self._left_bytes:
            return self._mapped(shape, size)
        self._left_bytes -= size
        return np.empty(shape, np.uint8)

    def _mapped(self, shape: tuple[int, ...], size: int) -> Pixels:
        """Allocate the file's blocks at once: a disk that fills up later would end the process with SIGBUS."""
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._cache) as file:
                os.posix_fallocate(file.fileno(), 0, size)
                return np.memmap(file, np.uint8, "r+", shape=shape)
        except OSError as error:
            raise DatasetError(
                f"{size / 1e9:.1f} GB of pixels do not fit into {self._cache} ({error.strerror}): "
                "make room, set XDG_CACHE_HOME to a folder on another disk, or take a smaller input"
            ) from error
