"""Pins host memory (page-locked), from which copies to a GPU take a fraction of the time."""

import ctypes
import logging
from functools import cache

from models.contract import Pixels

logger = logging.getLogger(__name__)

_LIBRARIES = ("libcudart.so.13", "libcudart.so.12")
"""The CUDA runtime, which onnxruntime-gpu has loaded already, so that the loader finds it by this name."""


def pin(array: Pixels) -> bool:
    """Pin the array and return whether that was possible. If not, copies are slower. Undo before the array is freed."""
    runtime = _cuda_runtime()
    if runtime is None:
        return False
    status = runtime.cudaHostRegister(ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes), 0)
    if status:
        logger.info("%d bytes stay pageable, CUDA answers %d: copies to the GPU are slower", array.nbytes, status)
    return bool(status == 0)


def unlock_pages(array: Pixels) -> None:
    """Unpin an array that was pinned."""
    if (runtime := _cuda_runtime()) is not None:
        runtime.cudaHostUnregister(ctypes.c_void_p(array.ctypes.data))


@cache
def _cuda_runtime() -> ctypes.CDLL | None:
    for name in _LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None
