"""Batches on a device through buffers that stay: per batch size one on the host, one on the device, one for the answer.

uint8 pixels cross the bus, a quarter of what floats would be; nothing is allocated while requests are answered.
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
NO_GRAPH = "-1"
"""onnxruntime's key of a run: the number of its CUDA graph, or that it has none."""


class BoundBuffers:
    """Of one batch size; for one caller at a time."""

    def __init__(
        self, session: ort.InferenceSession, device: str, shape: tuple[int, ...], classes: int, graph: int | None
    ) -> None:
        """shape: [N, H, W, C]. device: as onnxruntime calls it. graph: number of the CUDA graph, if there is one."""
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
        """uint8 [n, H, W, C] -> float32 [n, K], n not above N. What other rows held does not matter to these."""
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
    """BoundBuffers of all batch sizes, as many of each as there were callers at a time."""

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
        """image: [H, W, C]. sizes: ascending. graphs: replay a CUDA graph for each size; then one caller at a time."""
        self._session, self._device, self._image, self._classes = session, device, image, classes
        self._sizes, self._graphs = tuple(sizes), graphs
        self._idle: dict[int, list[BoundBuffers]] = {size: [] for size in sizes}
        self._lock = threading.Lock()
        self._graph_lock = threading.Lock()

    def fits(self, images: Pixels) -> bool:
        return len(images) <= self._sizes[-1] and images.shape[1:] == self._image

    def run(self, images: Pixels, run: ort.RunOptions) -> "NDArray[np.float32]":
        """uint8 [n, H, W, C] that fits -> float32 [n, K]."""
        with self._borrowed(padded_size(len(images), self._sizes)) as buffers:
            return buffers.run(images, run)

    @contextmanager
    def _borrowed(self, size: int) -> "Iterator[BoundBuffers]":
        if self._graphs:
            with self._graph_lock, self._taken(size) as buffers:  # graphs are not for several threads at a time
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
        """When no run is under way."""
        for buffers in (each for idle in self._idle.values() for each in idle):
            buffers.close()
