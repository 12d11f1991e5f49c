"""An engine that runs a graph with OpenVINO's own runtime, on the CPU."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.contract import CLASS_MAP, LOGITS, PROBABILITIES, Manifest, Pixels
from models.contract import openvino_library as library
from service.engine.batch_sizes import run_sizes
from service.engine.energy import energies_of
from service.engine.openvino_models import ANY_SIZE, Cancellation, Cancelled, CompiledModels
from service.engine.providers import EngineOptions
from service.engine.session import EngineRejected, rejected_unless_loaded
from service.errors import EngineFailure
from service.types import Batch, DensePrediction, Prediction, check_finite

logger = logging.getLogger(__name__)

_LARGEST = 4
"""The larger of the two batch sizes that a graph is compiled for, in images.

See docs/decisions/two-batch-sizes-in-openvino.md.
"""


class OpenVinoEngine:
    """One graph, compiled for single images and for one larger batch, with as many streams as batches at a time."""

    provider = "openvino"

    def __init__(self, model: Path, manifest: Manifest, options: EngineOptions) -> None:
        """Compile the graph for single images; the other models are compiled at their first batch.

        Raises EngineRejected when OpenVINO is not installed or cannot run the graph in its precision, and when the
        graph does not match the manifest.
        """
        if not library.installed():
            raise EngineRejected(library.NOT_INSTALLED)
        self.concurrency = options.batches_on_cpu
        self.threads_per_batch = self.single_image_threads = options.threads_per_batch
        self._largest = min(options.largest or 1, manifest.max_batch or _LARGEST, _LARGEST)
        self.sizes = tuple(sorted({1, self._largest}))
        self._has_energies = manifest.energy_threshold(options.precision) is not None
        self._row_outputs = [PROBABILITIES, LOGITS] if self._has_energies else [PROBABILITIES]
        self._most_mapped = manifest.max_batch
        self._models = CompiledModels(model, manifest, options, self._row_outputs)
        self._latency_engine: OpenVinoEngine | None = None
        with rejected_unless_loaded("OpenVINO", model):
            self._models.get(1)
        self._threads = ThreadPoolExecutor(self.concurrency, thread_name_prefix="engine")
        self._dense_thread = ThreadPoolExecutor(1, thread_name_prefix="dense")
        self._dense_run = Cancellation()

    def add_latency_session(self, other: "OpenVinoEngine") -> None:
        """Run a batch with `only_request` on `other` from now on, which this engine closes with itself."""
        self._latency_engine = other
        self.single_image_threads = other.threads_per_batch

    def warm_up(self, batches: Iterable[Batch]) -> None:
        """Run each batch once, but none with class maps: their model is compiled when it is first needed.

        The memory of the runs is released: many services never get batches of the largest size. So is the model for
        the larger batch size if no batch needs it. Raises EngineFailure.
        """
        largest = 1
        for batch in batches:
            if not batch.class_map:
                self.run(batch)
                largest = max(largest, len(batch.images))
        self._models.release_memory(largest)

    async def predict(self, make: Callable[[], Batch]) -> Prediction:
        """Call `make` and run its batch in one thread. Cancelling ends the run after the current node of the graph."""
        cancellation = Cancellation()
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, lambda: self.run(make(), cancellation))
        finally:
            cancellation.cancel()

    def run(self, batch: Batch, cancellation: Cancellation | None = None) -> Prediction:
        """Run a batch in the calling thread, as one run or several. Raises EngineFailure."""
        cancellation = cancellation or Cancellation()
        if batch.only_request and self._latency_engine is not None:
            return self._latency_engine.run(batch._replace(only_request=False), cancellation)
        names = [*self._row_outputs, CLASS_MAP] if batch.class_map else self._row_outputs
        with _translated_errors(batch.images):
            parts = [*self._runs(batch, names, cancellation)]
        outputs = [part[0] if len(part) == 1 else np.concatenate(part) for part in zip(*parts, strict=True)]
        energies = energies_of(outputs[1]) if self._has_energies else None
        return Prediction(outputs[0], outputs[-1] if batch.class_map else None, energies)

    def _runs(
        self, batch: Batch, names: Sequence[str], cancellation: Cancellation
    ) -> Iterator[list[NDArray[np.float32]]]:
        """Yield the outputs of each run that the batch is divided into."""
        images, began = batch.images, 0
        for count in self._counts(batch):
            size = ANY_SIZE if batch.class_map else 1 if count == 1 else self._largest
            yield self._models.get(size).run(names, images[began : began + count], cancellation)
            began += count

    def _counts(self, batch: Batch) -> Iterable[int]:
        """Return the number of images of each run."""
        if not batch.class_map:
            return run_sizes(len(batch.images), self._largest)
        return [1] * len(batch.images) if self._most_mapped else [len(batch.images)]

    async def predict_dense(self, image: Pixels) -> DensePrediction:
        """Run one image uint8 [H, W, C], not smaller than the input; one image at a time, in parallel to the batches.

        Cancelling ends the run after the current node of the graph. Raises EngineFailure.
        """
        self._dense_run = cancellation = Cancellation()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._dense_thread, self.run_dense, image, cancellation
            )
        finally:
            cancellation.cancel()

    def run_dense(self, image: Pixels, cancellation: Cancellation | None = None) -> DensePrediction:
        """Run one dense image in the calling thread, then release its memory: the next one may be far smaller."""
        names = [PROBABILITIES, LOGITS, CLASS_MAP]
        with _translated_errors(image[None]):
            model = self._models.get(ANY_SIZE)
            try:
                outputs = model.run(names, image[None], cancellation or Cancellation())
            finally:
                model.release_memory()
        check_finite(*outputs)
        energy = float(energies_of(outputs[1])[0]) if self._has_energies else None
        probabilities, logits, class_map = (rows[0] for rows in outputs)
        return DensePrediction(probabilities, logits, class_map, energy)

    def close(self) -> None:
        """Wait for running batches, but cancel a running dense image."""
        self._dense_run.cancel()
        for threads in (self._dense_thread, self._threads):
            threads.shutdown(wait=True, cancel_futures=True)
        if self._latency_engine is not None:
            self._latency_engine.close()
        self._models.close()


@contextmanager
def _translated_errors(images: Pixels) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # OpenVINO's exceptions have no common base class
        if not isinstance(error, Cancelled):
            logger.error("OpenVINO could not run %s: %s: %s", images.shape, type(error).__name__, error)
        raise EngineFailure("the model could not be run; the cause is in the service's log") from error
