"""Settings of the C library's heap. Both functions do nothing where it is not glibc."""

import contextlib
import ctypes

_M_ARENA_MAX = -8
"""Parameter of mallopt: the number of heaps. glibc's default is eight for each core, about one for each thread."""


def use_one_heap() -> None:
    """Let all threads allocate from one heap, so that memory that one thread freed serves all others.

    Call this before threads start: heaps that exist remain.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def return_free_memory() -> None:
    """Return free memory to the operating system.

    glibc itself returns only what is free at the end of a heap. Opening a session of EfficientNet-Lite0 leaves some
    50 MiB of free memory before blocks that are in use.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
