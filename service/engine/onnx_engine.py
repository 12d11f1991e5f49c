"""One onnxruntime session that answers batches, warm in all their sizes."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.contract import CLASS_MAP, LOGITS, PROBABILITIES, Manifest, Pixels
from service.engine.batch_sizes import padded, prepared_sizes
from service.engine.io_binding import GRAPH_ID, NO_GRAPH, IoBindingPool
from service.engine.providers import ON_GPU
from service.engine.session import EngineOptions, Session, open_session
from service.errors import EngineFailure
from service.types import Batch, DensePrediction, Prediction, check_numbers

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
_ARENAS = dict.fromkeys(ON_GPU, "cpu:0;gpu:0")
"""Where onnxruntime keeps memory between runs, if not on the CPU alone."""
_FATAL = 4
"""Of onnxruntime's severities. Lower ones are written to standard error at once, which blocks when it is not read."""
_RUNS_UNTIL_CAPTURED = 3
"""onnxruntime captures a CUDA graph after two ordinary runs."""


class OnnxEngine:
    """One session that several threads run at a time: onnxruntime's sessions are thread-safe."""

    def __init__(self, model: Path, manifest: Manifest, options: EngineOptions) -> None:
        """Raises EngineRejected when the graph does not fit the manifest or the wanted provider is not there."""
        self._session = open_session(model, manifest, options)
        self.provider = self._session.provider
        on_gpu = self.provider in ON_GPU
        self._latency_session: Session | None = None
        self._dense_session = self._opened_for_dense(model, manifest, options)
        self.threads_per_batch = self.single_image_threads = 1 if on_gpu else options.threads_per_batch
        self.concurrency = options.concurrency or (1 if on_gpu else max(1, options.cores // self.threads_per_batch))
        self.sizes = prepared_sizes(options.largest) if on_gpu and options.largest else ()
        self._graphs = options.cuda_graph
        self._binding = self._bound(manifest, options) if self.sizes else None
        self._threads = ThreadPoolExecutor(self.concurrency, thread_name_prefix="engine")
        self._dense_thread = ThreadPoolExecutor(1, thread_name_prefix="dense")
        self._dense_run = _run_options()

    def _opened_for_dense(self, model: Path, manifest: Manifest, options: EngineOptions) -> Session:
        """TensorRT's engine takes images of the input's size only; of any other size CUDA takes care."""
        if self.provider != "tensorrt" or manifest.dense is None:
            return self._session
        return open_session(model, manifest, replace(options, providers=("cuda",), cuda_graph=False))

    def _bound(self, manifest: Manifest, options: EngineOptions) -> IoBindingPool:
        classes = len(manifest.labels)
        image, graphs = manifest.input.shape, options.cuda_graph
        return IoBindingPool(self._session.opened, "cuda", image, classes, self.sizes, graphs=graphs)

    def add_latency_session(self, other: "OnnxEngine") -> None:
        """Run an image that is the only one in the session of `other` from now on."""
        self._latency_session = other._session
        self.single_image_threads = other.threads_per_batch
        other.close()  # its threads; the session lives on

    def run_callers(self, concurrency: int) -> None:
        """From now on so many batches at a time."""
        self._threads.shutdown(wait=True)
        self.concurrency = concurrency
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="engine")

    def warm_up(self, batches: Iterable[Batch]) -> None:
        """Run each as often as it takes until its size is no news. Raises EngineFailure."""
        for batch in batches:
            for _ in range(_RUNS_UNTIL_CAPTURED if self._graphs else 1):
                self.run(batch)

    async def predict(self, make: Callable[[], Batch]) -> Prediction:
        """Make a batch and run it, both in one thread; cancelling it ends the run within a node of the graph."""
        run = _run_options()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: self.run(make(), run))
        finally:
            run.terminate = True

    def run(self, batch: Batch, run: ort.RunOptions | None = None) -> Prediction:
        """The same in the calling thread."""
        run = run or _run_options()
        binding = self._binding
        if binding is not None and not batch.class_map and binding.fits(batch.images):
            return Prediction(self._guarded(lambda: binding.run(batch.images, run), batch.images, run))
        images, count = padded(batch.images, self.sizes), len(batch.images)
        names = [PROBABILITIES, CLASS_MAP] if batch.class_map else [PROBABILITIES]
        session = self._latency_session if batch.only_request and self._latency_session else self._session
        outputs = [rows[:count] for rows in self._outputs(session, names, images, run)]
        return Prediction(outputs[0], outputs[1] if batch.class_map else None)

    async def predict_dense(self, image: Pixels) -> DensePrediction:
        """One image uint8 [H, W, C] of any size that is not below the input's, one at a time, beside the batches.

        Cancelling it ends the run within a node of the graph. Raises EngineFailure.
        """
        self._dense_run = run = _run_options()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._dense_thread, self.run_dense, image, run)
        finally:
            run.terminate = True

    def run_dense(self, image: Pixels, run: ort.RunOptions | None = None) -> DensePrediction:
        """The same in the calling thread. The memory is given back: the next image may be far smaller."""
        run = run or _run_options()
        run.add_run_config_entry("memory.enable_memory_arena_shrinkage", _ARENAS.get(self.provider, "cpu:0"))
        outputs = self._outputs(self._dense_session, [PROBABILITIES, LOGITS, CLASS_MAP], image[None], run)
        check_numbers(*outputs)
        return DensePrediction(outputs[0][0], outputs[1][0], outputs[2][0])

    def _outputs(
        self, session: Session, names: list[str], images: Pixels, run: ort.RunOptions
    ) -> list[NDArray[np.float32]]:
        if self._graphs:
            run.add_run_config_entry(GRAPH_ID, NO_GRAPH)
        return self._guarded(lambda: session.run(names, images, run), images, run)

    def _guarded(self, work: Callable[[], Result], images: Pixels, run: ort.RunOptions) -> Result:
        try:
            return work()
        except Exception as error:  # onnxruntime's exceptions have no common base
            if not run.terminate:
                logger.error("onnxruntime could not run %s: %s: %s", images.shape, type(error).__name__, error)
            raise EngineFailure("the model could not be run; the cause is in the service's log") from error

    def close(self) -> None:
        """Batches that run are let end, an image that runs alone is not."""
        self._dense_run.terminate = True
        for threads in (self._dense_thread, self._threads):
            threads.shutdown(wait=True, cancel_futures=True)
        if self._binding is not None:
            self._binding.close()


def _run_options() -> ort.RunOptions:
    """Return options of one run, during which onnxruntime prints nothing: what it would print is in its exception."""
    options = ort.RunOptions()
    options.log_severity_level = _FATAL
    return options
