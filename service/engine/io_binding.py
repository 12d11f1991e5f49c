"""Runs batches on a GPU with permanent buffers: for each batch size one on the host, and two on the device.

uint8 pixels are copied to the device, a quarter of the bytes of float32. No request allocates memory.
"""

import threading
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort

from models.contract import INPUT, PROBABILITIES, Pixels
from service.engine.batch_sizes import padded_size
from service.engine.pinned_memory import pin, unlock_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

GRAPH_ID = "gpu_graph_id"
"""onnxruntime's run option for the number of a CUDA graph."""
NO_GRAPH = "-1"
"""Value of GRAPH_ID for a run without a CUDA graph."""


class BoundBuffers:
    """The buffers of one batch size, for one caller at a time."""

    def __init__(
        self, session: ort.InferenceSession, device: str, shape: tuple[int, ...], classes: int, graph: int | None
    ) -> None:
        """Allocate the buffers.

        device: onnxruntime's name of it. shape: [N, H, W, C]. graph: number of the CUDA graph, None for none.
        """
        self._session = session
        self._pixels: Pixels = np.zeros(shape, np.uint8)
        self._locked = device == "cuda" and pin(self._pixels)
        self._input = ort.OrtValue.ortvalue_from_shape_and_type(shape, np.uint8, device, 0)
        self._output = ort.OrtValue.ortvalue_from_shape_and_type((shape[0], classes), np.float32, device, 0)
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(INPUT, self._input)
        self._binding.bind_ortvalue_output(PROBABILITIES, self._output)
        self._graph = graph

    def run(self, images: Pixels, run: ort.RunOptions) -> "NDArray[np.float32]":
        """Run uint8 [n, H, W, C], n <= N, and return float32 [n, K].

        The content of the other rows does not affect these.
        """
        self._pixels[: len(images)] = images
        self._input.update_inplace(self._pixels)
        if self._graph is not None:
            run.add_run_config_entry(GRAPH_ID, str(self._graph))
        self._session.run_with_iobinding(self._binding, run)
        self._binding.synchronize_outputs()
        rows: NDArray[np.float32] = self._output.numpy()[: len(images)].copy()
        return rows

    def close(self) -> None:
        if self._locked:
            unlock_pages(self._pixels)
            self._locked = False


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
    ) -> None:
        """Create a pool without buffers.

        image: [H, W, C]. sizes: batch sizes, ascending. graphs: replay a CUDA graph per size, with one caller at a
        time.
        """
        self._session, self._device, self._image, self._classes = session, device, image, classes
        self._sizes, self._graphs = tuple(sizes), graphs
        self._idle: dict[int, list[BoundBuffers]] = {size: [] for size in sizes}
        self._lock = threading.Lock()
        self._graph_lock = threading.Lock()

    def fits(self, images: Pixels) -> bool:
        return len(images) <= self._sizes[-1] and images.shape[1:] == self._image

    def run(self, images: Pixels, run: ort.RunOptions) -> "NDArray[np.float32]":
        """Run uint8 [n, H, W, C] that fits, and return float32 [n, K]."""
        with self._borrowed(padded_size(len(images), self._sizes)) as buffers:
            return buffers.run(images, run)

    @contextmanager
    def _borrowed(self, size: int) -> "Iterator[BoundBuffers]":
        if self._graphs:
            with self._graph_lock, self._taken(size) as buffers:  # CUDA graphs: one thread at a time
                yield buffers
        else:
            with self._taken(size) as buffers:
                yield buffers

    @contextmanager
    def _taken(self, size: int) -> "Iterator[BoundBuffers]":
        with self._lock:
            idle = self._idle[size]
            buffers = idle.pop() if idle else None
        buffers = buffers or self._made(size)
        try:
            yield buffers
        finally:
            with self._lock:
                self._idle[size].append(buffers)

    def _made(self, size: int) -> BoundBuffers:
        graph = self._sizes.index(size) + 1 if self._graphs else None
        return BoundBuffers(self._session, self._device, (size, *self._image), self._classes, graph)

    def close(self) -> None:
        """Release the pinned memory. No run may be in progress."""
        for buffers in (each for idle in self._idle.values() for each in idle):
            buffers.close()
