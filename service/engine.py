"""The Engine protocol and OnnxEngine, the only importer of onnxruntime: load, warm up, predict."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.contract import CLASS_MAP, INPUT, LOGITS, PROBABILITIES, Manifest, Pixels
from service.errors import EngineFailure
from service.graph import Port, misfit

logger = logging.getLogger(__name__)

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
"""Our short names and onnxruntime's."""
_ARENAS = {"cuda": "cpu:0;gpu:0"}
"""Where onnxruntime keeps memory between runs, if not on the CPU alone."""
_NAMES = {value: key for key, value in PROVIDERS.items()}


class EngineRejected(Exception):
    """This model must not serve here; the message says why."""


class Batch(NamedTuple):
    """uint8 [N, H, W, C] and whether the class maps are wanted too."""

    images: Pixels
    class_map: bool = False


class Prediction(NamedTuple):
    """float32 [N, K] and, if it was wanted, float32 [N, K, h, w]."""

    probabilities: NDArray[np.float32]
    class_map: NDArray[np.float32] | None = None


class DensePrediction(NamedTuple):
    """Of one image of any size: float32 probabilities and logits [K], class map [K, h, w]."""

    probabilities: NDArray[np.float32]
    logits: NDArray[np.float32]
    class_map: NDArray[np.float32]


class Engine(Protocol):
    """Runs batches, up to `concurrency` at a time."""

    @property
    def provider(self) -> str: ...

    @property
    def concurrency(self) -> int: ...

    async def predict(self, batch: Batch) -> Prediction:
        """Cancelling it ends the run soon. Raises EngineFailure when the model cannot be run."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class EngineOptions:
    """`providers` in order of preference, short names, empty for the best installed; see Settings for the rest."""

    providers: tuple[str, ...] = ()
    strict: bool | None = None
    threads_per_batch: int = 1
    concurrency: int = 0
    cores: int = 1


class OnnxEngine:
    """One session that several threads run at a time: onnxruntime's sessions are thread-safe."""

    def __init__(self, model: Path, manifest: Manifest, options: EngineOptions) -> None:
        """Raises EngineRejected when the graph does not fit the manifest or the wanted provider is not there."""
        self._session = _open(model, options, one_size=manifest.dense is None)
        first = self._session.get_providers()[0]
        self.provider = _NAMES.get(first, first)
        _check_provider(self.provider, options)
        if reason := misfit(_ports(self._session.get_inputs()), _ports(self._session.get_outputs()), manifest):
            raise EngineRejected(reason)
        on_cpu = self.provider == "cpu"
        self.threads_per_batch = options.threads_per_batch if on_cpu else 1
        self.concurrency = options.concurrency or (max(1, options.cores // self.threads_per_batch) if on_cpu else 1)
        self._threads = ThreadPoolExecutor(self.concurrency, thread_name_prefix="engine")
        self._dense_thread = ThreadPoolExecutor(1, thread_name_prefix="dense")
        self._dense_run = ort.RunOptions()
        self._run_options = _run_options()

    async def predict(self, batch: Batch) -> Prediction:
        """Cancelling it ends the run within a node of the graph."""
        run = _run_options()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self.run, batch, run)
        finally:
            run.terminate = True

    def run(self, batch: Batch, run: ort.RunOptions | None = None) -> Prediction:
        """The same in the calling thread."""
        names = [PROBABILITIES, CLASS_MAP] if batch.class_map else [PROBABILITIES]
        outputs = self._outputs(names, batch.images, run or self._run_options)
        return Prediction(outputs[0], outputs[1] if batch.class_map else None)

    async def predict_dense(self, image: Pixels) -> DensePrediction:
        """One image uint8 [H, W, C] of any size that is not below the input's, one at a time, beside the batches.

        Cancelling it ends the run within a node of the graph. Raises EngineFailure.
        """
        self._dense_run = run = ort.RunOptions()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._dense_thread, self.run_dense, image, run)
        finally:
            run.terminate = True

    def run_dense(self, image: Pixels, run: ort.RunOptions | None = None) -> DensePrediction:
        """The same in the calling thread. The memory is given back: the next image may be far smaller."""
        run = run or ort.RunOptions()
        run.add_run_config_entry("memory.enable_memory_arena_shrinkage", _ARENAS.get(self.provider, "cpu:0"))
        outputs = self._outputs([PROBABILITIES, LOGITS, CLASS_MAP], image[None], run)
        return DensePrediction(outputs[0][0], outputs[1][0], outputs[2][0])

    def _outputs(self, names: list[str], images: Pixels, run: ort.RunOptions) -> list[NDArray[np.float32]]:
        try:
            outputs: list[NDArray[np.float32]] = self._session.run(names, {INPUT: images}, run)
        except Exception as error:  # onnxruntime's exceptions have no common base
            if not run.terminate:
                logger.error("onnxruntime could not run %s: %s: %s", images.shape, type(error).__name__, error)
            raise EngineFailure("the model could not be run; the cause is in the service's log") from error
        return outputs

    def close(self) -> None:
        """Batches that run are let end, an image that runs alone is not."""
        self._dense_run.terminate = True
        for threads in (self._dense_thread, self._threads):
            threads.shutdown(wait=True, cancel_futures=True)


def installed_providers() -> tuple[str, ...]:
    """What the installed onnxruntime could use: cuda before cpu, whether the machine has it or not."""
    available = ort.get_available_providers()
    return tuple(name for name in ("cuda", "cpu") if PROVIDERS[name] in available)


def _run_options() -> ort.RunOptions:
    options = ort.RunOptions()
    options.only_execute_path_to_fetches = True  # no class map unless it is asked for
    return options


def _open(model: Path, options: EngineOptions, *, one_size: bool) -> ort.InferenceSession:
    """The reason that clients see names no path; onnxruntime's own words, which do, go to the log."""
    session_options = ort.SessionOptions()
    session_options.enable_mem_pattern = one_size  # else it keeps a plan for every size it has met
    session_options.intra_op_num_threads = options.threads_per_batch
    session_options.inter_op_num_threads = 1
    session_options.log_severity_level = 3
    wanted = options.providers or installed_providers()
    known = [PROVIDERS[name] for name in wanted if PROVIDERS[name] in ort.get_available_providers()]
    try:
        return ort.InferenceSession(model, session_options, providers=known or [PROVIDERS["cpu"]])
    except Exception as error:
        logger.error("onnxruntime cannot load %s: %s", model, error)
        reason = f"onnxruntime cannot load {model.name} ({type(error).__name__}); the log has the cause"
        raise EngineRejected(reason) from error


def _check_provider(provider: str, options: EngineOptions) -> None:
    wanted = (options.providers or installed_providers())[0]
    strict = options.strict if options.strict is not None else wanted != "cpu"
    if strict and provider != wanted:
        raise EngineRejected(
            f"execution provider {wanted} was asked for, but onnxruntime runs on {provider}: check the driver and that "
            f"onnxruntime-gpu is installed, or set SNELLEN_PROVIDERS={provider} or SNELLEN_STRICT=false"
        )


def _ports(nodes: Sequence[ort.NodeArg]) -> dict[str, Port]:
    return {node.name: Port(node.type, node.shape) for node in nodes}
