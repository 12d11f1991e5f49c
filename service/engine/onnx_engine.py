"""An engine with one onnxruntime session, warmed up for all batch sizes."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.contract import CLASS_MAP, LOGITS, PROBABILITIES, Manifest, Pixels
from service.engine.batch_sizes import padded, prepared_sizes
from service.engine.energy import energies_of
from service.engine.io_binding import GRAPH_ID, NO_GRAPH, IoBindingPool
from service.engine.providers import ON_GPU, EngineOptions
from service.engine.session import Session, open_session
from service.errors import EngineFailure
from service.types import Batch, DensePrediction, Prediction, check_finite

logger = logging.getLogger(__name__)

_SHRINK = "memory.enable_memory_arena_shrinkage"
"""onnxruntime's option of a run that releases the unused memory of these arenas afterwards."""
_FATAL = 4
"""onnxruntime's highest log severity.

It writes lower ones to standard error, which blocks when its reader does not read.
"""
_RUNS_UNTIL_CAPTURED = 3
"""Runs until a CUDA graph is captured: onnxruntime captures it after two ordinary runs."""


class OnnxEngine:
    """One session that several threads use at a time; onnxruntime's sessions are thread-safe."""

    def __init__(self, model: Path, manifest: Manifest, options: EngineOptions, session: Session | None = None) -> None:
        """Open the session, unless the one of an engine is given whose options differ only in `concurrency`.

        Raises EngineRejected when the graph does not match the manifest or the first provider is not available.
        """
        self.session = self._dense_session = session or open_session(model, manifest, options)
        self._latency_session: Session | None = None
        self.provider = self.session.provider
        on_gpu = self.provider in ON_GPU
        if self.provider == "tensorrt" and manifest.dense is not None:  # TensorRT takes only the input's size
            other = replace(options, providers=("cuda",), cuda_graph=False)
            self._dense_session = open_session(model, manifest, other)
        self.threads_per_batch = self.single_image_threads = 1 if on_gpu else options.threads_per_batch
        self.concurrency = (options.concurrency or 1) if on_gpu else options.batches_on_cpu
        self.sizes = prepared_sizes(options.largest) if on_gpu and options.largest else ()
        self._graphs = options.cuda_graph
        self._has_energies = manifest.energy_threshold(options.precision) is not None
        self._row_outputs = [PROBABILITIES, LOGITS] if self._has_energies else [PROBABILITIES]
        self._binding: IoBindingPool | None = None
        if self.sizes:
            self._binding = IoBindingPool(
                self.session.opened,
                "cuda",
                manifest.input.shape,
                len(manifest.labels),
                self.sizes,
                graphs=self._graphs,
                outputs=self._row_outputs,
            )
        self._threads = ThreadPoolExecutor(self.concurrency, thread_name_prefix="engine")
        self._dense_thread = ThreadPoolExecutor(1, thread_name_prefix="dense")
        self._dense_run = _run_options()

    def add_latency_session(self, other: "OnnxEngine") -> None:
        """Use the session of `other` from now on for a batch with `only_request`."""
        self._latency_session = other.session
        self.single_image_threads = other.threads_per_batch
        other.close()  # ends the threads of `other`; its session stays open

    def warm_up(self, batches: Iterable[Batch]) -> None:
        """Run each batch once, or three times when CUDA graphs are captured. Raises EngineFailure.

        On a CPU the memory of these runs is released: many services never get batches of the largest size.
        """
        for batch in batches:
            for _ in range(_RUNS_UNTIL_CAPTURED if self._graphs else 1):
                run = _run_options()
                if self.provider not in ON_GPU:
                    run.add_run_config_entry(_SHRINK, "cpu:0")
                self.run(batch, run)

    async def predict(self, make: Callable[[], Batch]) -> Prediction:
        """Call `make` and run its batch in one thread. Cancelling ends the run after the current node of the graph."""
        run = _run_options()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: self.run(make(), run))
        finally:
            run.terminate = True

    def run(self, batch: Batch, run: ort.RunOptions | None = None) -> Prediction:
        """Run a batch in the calling thread. Raises EngineFailure."""
        run, images, binding = run or _run_options(), batch.images, self._binding
        if binding is not None and not batch.class_map and binding.fits(images):
            with _translated_errors(images, run):
                outputs = binding.run(images, run)
        else:
            names = [*self._row_outputs, CLASS_MAP] if batch.class_map else self._row_outputs
            session = self._latency_session if batch.only_request and self._latency_session else self.session
            outputs = [rows[: len(images)] for rows in self._outputs(session, names, padded(images, self.sizes), run)]
        class_map = outputs[-1] if batch.class_map else None
        return Prediction(outputs[0], class_map, energies_of(outputs[1]) if self._has_energies else None)

    async def predict_dense(self, image: Pixels) -> DensePrediction:
        """Run one image uint8 [H, W, C], not smaller than the input; one image at a time, in parallel to the batches.

        Cancelling ends the run after the current node of the graph. Raises EngineFailure.
        """
        self._dense_run = run = _run_options()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._dense_thread, self.run_dense, image, run)
        finally:
            run.terminate = True

    def run_dense(self, image: Pixels, run: ort.RunOptions | None = None) -> DensePrediction:
        """Run one dense image in the calling thread, then release its memory: the next one may be far smaller."""
        run = run or _run_options()
        arenas = "cpu:0;gpu:0" if self.provider in ON_GPU else "cpu:0"
        run.add_run_config_entry(_SHRINK, arenas)
        outputs = self._outputs(self._dense_session, [PROBABILITIES, LOGITS, CLASS_MAP], image[None], run)
        check_finite(*outputs)
        energy = float(energies_of(outputs[1])[0]) if self._has_energies else None
        probabilities, logits, class_map = (rows[0] for rows in outputs)
        return DensePrediction(probabilities, logits, class_map, energy)

    def _outputs(
        self, session: Session, names: list[str], images: Pixels, run: ort.RunOptions
    ) -> list[NDArray[np.float32]]:
        if self._graphs:
            run.add_run_config_entry(GRAPH_ID, NO_GRAPH)
        with _translated_errors(images, run):
            return session.run(names, images, run)

    def close(self) -> None:
        """Wait for running batches, but terminate a running dense image."""
        self._dense_run.terminate = True
        for threads in (self._dense_thread, self._threads):
            threads.shutdown(wait=True, cancel_futures=True)
        if self._binding is not None:
            self._binding.close()


@contextmanager
def _translated_errors(images: Pixels, run: ort.RunOptions) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the exceptions of onnxruntime have no common base class
        if not run.terminate:
            logger.error("onnxruntime could not run %s: %s: %s", images.shape, type(error).__name__, error)
        raise EngineFailure("the model could not be run; the cause is in the service's log") from error


def _run_options() -> ort.RunOptions:
    """Return the options of one run. onnxruntime prints nothing during it; its exceptions hold the same text."""
    options = ort.RunOptions()
    options.log_severity_level = _FATAL
    return options
