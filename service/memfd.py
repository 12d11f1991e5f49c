"""Unnamed files in memory, shared between processes; nothing remains after the processes have ended."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def unnamed_file(name: str) -> int:
    """Return the descriptor of an empty file without a name.

    It is in memory, or on disk where Python was built without `os.memfd_create`. name: for the list of open files.
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def sealed_memory(name: str, size: int) -> int:
    """Return the descriptor of `size` zero bytes that no process can resize. Needs `os.memfd_create`.

    Access to a file that another process has shrunk would raise SIGBUS. The memory is freed when it is not mapped and
    no descriptor is open any more.
    """
    descriptor = unnamed_file(name)
    try:
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def file_in_memory(name: str, content: bytes) -> Iterator[Path]:
    """Yield the path of a file with this content, for libraries that read only files.

    It exists until the end of the block. Without /proc an unnamed file has no path, and a temporary file is made.
    """
    unnamed = Path("/proc/self/fd").is_dir()
    with open(unnamed_file(name), "wb") if unnamed else tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield Path(f"/proc/self/fd/{file.fileno()}" if unnamed else file.name)
