"""Memory without a name, for two processes to map or one to read: nothing of it can be left behind."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL  # else a shorter file would be a SIGBUS


def sealed_memory(name: str, size: int) -> int:
    """The descriptor of `size` zero bytes that nobody can make fewer, for several processes.

    The memory goes when nobody maps it and no descriptor is open any more.
    """
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    return descriptor


@contextmanager
def file_in_memory(name: str, content: bytes) -> Iterator[Path]:
    """A file for who reads only files, until the end of the block."""
    with open(os.memfd_create(name, os.MFD_CLOEXEC), "wb") as file:
        file.write(content)
        file.flush()
        yield Path(f"/proc/self/fd/{file.fileno()}")
