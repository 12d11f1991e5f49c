"""Memory without a name that two processes map: nothing of it can be left behind, and neither can make it smaller."""

import fcntl
import os

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL  # else a shorter file would be a SIGBUS


def sealed_memory(name: str, size: int) -> int:
    """The descriptor of `size` zero bytes; the memory goes when nobody maps it and no descriptor is open any more."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    return descriptor
