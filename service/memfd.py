"""Unnamed memory files, shared between processes; nothing remains after the processes have ended."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL  # access to a shrunk file would raise SIGBUS


def sealed_memory(name: str, size: int) -> int:
    """Return the descriptor of `size` zero bytes that no process can resize.

    The memory is freed when it is not mapped and no descriptor is open any more.
    """
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def file_in_memory(name: str, content: bytes) -> Iterator[Path]:
    """Yield the path of a file with this content, for libraries that read only files.

    It exists until the end of the block.
    """
    with open(os.memfd_create(name, os.MFD_CLOEXEC), "wb") as file:
        file.write(content)
        file.flush()
        yield Path(f"/proc/self/fd/{file.fileno()}")
