"""Runs batches on a GPU with permanent buffers: for each batch size one on the host, and two on the device.

uint8 pixels are copied to the device, a quarter of the bytes of float32. No request allocates memory.
"""

import ctypes
import logging
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.contract import INPUT, PROBABILITIES, Pixels
from service.engine.batch_sizes import padded_size

logger = logging.getLogger(__name__)

GRAPH_ID = "gpu_graph_id"
"""onnxruntime's run option for the number of a CUDA graph."""
NO_GRAPH = "-1"
"""Value of GRAPH_ID for a run without a CUDA graph."""
_CUDA_RUNTIMES = ("libcudart.so.13", "libcudart.so.12")
"""The CUDA runtime, which onnxruntime-gpu has loaded already, so that the loader finds it by this name."""


class BoundBuffers:
    """The buffers of one batch size, for one caller at a time."""

    def __init__(
        self,
        session: ort.InferenceSession,
        device: str,
        shape: tuple[int, ...],
        classes: int,
        graph: str,
        outputs: Sequence[str],
    ) -> None:
        """Allocate the buffers.

        device: onnxruntime's name of it. shape: [N, H, W, C]. graph: number of the CUDA graph, NO_GRAPH for none.
        outputs: names of outputs of the graph that are float32 [N, classes].
        """
        self._session, self._graph = session, graph
        self._pixels: Pixels = np.zeros(shape, np.uint8)
        self._pinned = device == "cuda" and pin(self._pixels)
        self._input = ort.OrtValue.ortvalue_from_shape_and_type(shape, np.uint8, device, 0)
        self._outputs = [
            ort.OrtValue.ortvalue_from_shape_and_type((shape[0], classes), np.float32, device, 0) for _ in outputs
        ]
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(INPUT, self._input)
        for name, buffer in zip(outputs, self._outputs, strict=True):
            self._binding.bind_ortvalue_output(name, buffer)

    def run(self, images: Pixels, run: ort.RunOptions) -> list[NDArray[np.float32]]:
        """Run uint8 [n, H, W, C], n <= N, and return float32 [n, K] for each output.

        The content of the other rows does not affect these.
        """
        self._pixels[: len(images)] = images
        self._input.update_inplace(self._pixels)
        if self._graph != NO_GRAPH:
            run.add_run_config_entry(GRAPH_ID, self._graph)
        self._session.run_with_iobinding(self._binding, run)
        self._binding.synchronize_outputs()
        return [buffer.numpy()[: len(images)].copy() for buffer in self._outputs]

    def close(self) -> None:
        runtime = _cuda_runtime()
        if self._pinned and runtime is not None:
            runtime.cudaHostUnregister(ctypes.c_void_p(self._pixels.ctypes.data))
            self._pinned = False


class IoBindingPool:
    """Buffers for all batch sizes; of each size as many as there were callers at a time."""

    def __init__(
        self,
        session: ort.InferenceSession,
        device: str,
        image: tuple[int, ...],
        classes: int,
        sizes: Sequence[int],
        *,
        graphs: bool = False,
        outputs: Sequence[str] = (PROBABILITIES,),
    ) -> None:
        """Create a pool without buffers.

        image: [H, W, C]. sizes: batch sizes, ascending. graphs: replay a CUDA graph per size, with one caller at a
        time. outputs: names of outputs of the graph that are float32 [N, classes].
        """
        self._session, self._device, self._image, self._classes = session, device, image, classes
        self._graphs, self._outputs = graphs, outputs
        self._idle: dict[int, list[BoundBuffers]] = {size: [] for size in sizes}
        self._turn: AbstractContextManager[object] = threading.Lock() if graphs else nullcontext()

    def fits(self, images: Pixels) -> bool:
        return len(images) <= max(self._idle) and images.shape[1:] == self._image

    def run(self, images: Pixels, run: ort.RunOptions) -> list[NDArray[np.float32]]:
        """Run uint8 [n, H, W, C] that fits, and return float32 [n, K] for each output."""
        size = padded_size(len(images), [*self._idle])
        with self._turn:
            try:
                buffers = self._idle[size].pop()  # atomic, as is append
            except IndexError:
                graph = str([*self._idle].index(size) + 1) if self._graphs else NO_GRAPH
                shape = (size, *self._image)
                buffers = BoundBuffers(self._session, self._device, shape, self._classes, graph, self._outputs)
            try:
                return buffers.run(images, run)
            finally:
                self._idle[size].append(buffers)

    def close(self) -> None:
        """Release the pinned memory. No run may be in progress."""
        for buffers in (each for idle in self._idle.values() for each in idle):
            buffers.close()


def pin(array: Pixels) -> bool:
    """Pin host memory (page-locked), from which copies to a GPU take a fraction of the time.

    Return whether that was possible. Undo before the array is freed.
    """
    runtime = _cuda_runtime()
    if runtime is None:
        return False
    status = runtime.cudaHostRegister(ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes), 0)
    if status:
        logger.info("%d bytes stay pageable, CUDA answers %d: copies to the GPU are slower", array.nbytes, status)
    return bool(status == 0)


@cache
def _cuda_runtime() -> ctypes.CDLL | None:
    for name in _CUDA_RUNTIMES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None
