"""The Engine protocol and OnnxEngine, the only importer of onnxruntime: load, warm up, predict."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.contract import CLASS_MAP, INPUT, LOGITS, PROBABILITIES, Manifest, Pixels
from service.errors import EngineFailure

logger = logging.getLogger(__name__)

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
"""Our short names and onnxruntime's."""
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


class Engine(Protocol):
    """Runs batches, up to `concurrency` at a time."""

    @property
    def provider(self) -> str: ...

    @property
    def concurrency(self) -> int: ...

    async def predict(self, batch: Batch) -> Prediction:
        """Raises EngineFailure when the model cannot be run."""
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
        self._session = _open(model, options)
        first = self._session.get_providers()[0]
        self.provider = _NAMES.get(first, first)
        _check_provider(self.provider, options)
        _check_graph(self._session, manifest)
        on_cpu = self.provider == "cpu"
        self.threads_per_batch = options.threads_per_batch if on_cpu else 1
        self.concurrency = options.concurrency or (max(1, options.cores // self.threads_per_batch) if on_cpu else 1)
        self._threads = ThreadPoolExecutor(self.concurrency, thread_name_prefix="engine")
        self._run_options = ort.RunOptions()
        self._run_options.only_execute_path_to_fetches = True  # no class map unless it is asked for

    async def predict(self, batch: Batch) -> Prediction:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.run, batch)

    def run(self, batch: Batch) -> Prediction:
        """The same in the calling thread."""
        names = [PROBABILITIES, CLASS_MAP] if batch.class_map else [PROBABILITIES]
        try:
            outputs = self._session.run(names, {INPUT: batch.images}, self._run_options)
        except Exception as error:  # onnxruntime's exceptions have no common base
            logger.error(
                "onnxruntime could not run a batch of %d: %s: %s", len(batch.images), type(error).__name__, error
            )
            raise EngineFailure("the model could not be run; the cause is in the service's log") from error
        return Prediction(outputs[0], outputs[1] if batch.class_map else None)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)


def installed_providers() -> tuple[str, ...]:
    """What the installed onnxruntime could use: cuda before cpu, whether the machine has it or not."""
    available = ort.get_available_providers()
    return tuple(name for name in ("cuda", "cpu") if PROVIDERS[name] in available)


def _open(model: Path, options: EngineOptions) -> ort.InferenceSession:
    """The reason that clients see names no path; onnxruntime's own words, which do, go to the log."""
    session_options = ort.SessionOptions()
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


def _check_graph(session: ort.InferenceSession, manifest: Manifest) -> None:
    inputs = {node.name: (node.type, node.shape[1:]) for node in session.get_inputs()}
    expected = {INPUT: ("tensor(uint8)", list(manifest.input.shape))}
    if inputs != expected:
        raise EngineRejected(f"the graph's inputs are {inputs}, the manifest says {expected}")
    outputs = {node.name: (node.type, node.shape[1:2]) for node in session.get_outputs()}
    names = [PROBABILITIES, LOGITS] + ([CLASS_MAP] if manifest.class_map else [])
    for name in names:
        if outputs.get(name) != ("tensor(float)", [len(manifest.labels)]):
            raise EngineRejected(f"output {name} should be float32 [N, {len(manifest.labels)}, ...]: {outputs}")
