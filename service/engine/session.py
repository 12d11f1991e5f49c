"""Opens a graph with onnxruntime on an execution provider, or rejects it with the reason."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.contract import CLASS_MAP, INPUT, Manifest, Pixels, Precision
from service.engine.graph_check import CLASS_MAP_WANTED, TensorSpec, contract_violation
from service.engine.providers import FASTEST_FIRST, NAMES, PROVIDERS, SessionUse, with_options
from service.memfd import file_in_memory

logger = logging.getLogger(__name__)

RUNTIME = f"onnxruntime {ort.__version__}"


class EngineRejected(Exception):
    """The model must not be served here; the message says why."""


@dataclass(frozen=True)
class EngineOptions:
    """Options of an engine; see Settings for those that are not listed here.

    providers: short names in order of preference, empty for the best installed. precision: of the graph.
    tf32: allow TF32 on a GPU. largest: batch size that a GPU is prepared for, 0 for none. cuda_graph: one per batch
    size.
    engines: folder for the engines that TensorRT builds. rests: threads stop spinning between runs.
    """

    providers: tuple[str, ...] = ()
    strict: bool | None = None
    threads_per_batch: int = 1
    concurrency: int = 0
    cores: int = 1
    precision: Precision = Precision.FP32
    tf32: bool = False
    largest: int = 0
    cuda_graph: bool = False
    engines: Path | None = None
    rests: bool = False


def installed_providers() -> tuple[str, ...]:
    """Return the providers of the installed onnxruntime, cuda before cpu. The machine may lack the device."""
    return tuple(name for name in ("cuda", "cpu") if name in all_providers())


def all_providers() -> tuple[str, ...]:
    """Return every installed provider that we support, presumably fastest first."""
    available = ort.get_available_providers()
    return tuple(name for name in FASTEST_FIRST if PROVIDERS[name] in available)


class Session:
    """An open graph, and the provider that it runs on."""

    def __init__(self, opened: ort.InferenceSession) -> None:
        first = opened.get_providers()[0]
        self.provider = NAMES.get(first, first)
        self.opened = opened
        self._inputs, self._outputs = _ports(opened.get_inputs()), _ports(opened.get_outputs())
        self._has_branch = self._inputs.pop(CLASS_MAP_WANTED, None) is not None

    def run(self, names: Sequence[str], images: Pixels, options: ort.RunOptions) -> list[NDArray[np.float32]]:
        """Run uint8 [N, H, W, C] and return these outputs. Raises what onnxruntime raises."""
        feeds: dict[str, object] = {INPUT: images}
        if self._has_branch:
            feeds[CLASS_MAP_WANTED] = np.array(CLASS_MAP in names)
        outputs: list[NDArray[np.float32]] = self.opened.run(names, feeds, options)
        return outputs

    def contract_violation(self, manifest: Manifest) -> str | None:
        """Return why the graph does not match the manifest; None if it does."""
        return contract_violation(self._inputs, self._outputs, manifest)


def open_session(model: Path, manifest: Manifest, options: EngineOptions) -> Session:
    """Open a session. On the CPU, runs that do not need the class map do not compute it. Raises EngineRejected."""
    providers = _known(options)
    session = _branched(model, manifest, options) if providers == ["cpu"] else None
    session = session or _as_it_is(model, manifest, options, providers)
    _check_provider(session.provider, options)
    if reason := session.contract_violation(manifest):
        raise EngineRejected(reason)
    if session.provider == "cpu" and providers != ["cpu"]:
        session = _branched(model, manifest, options) or session
    return session


def _known(options: EngineOptions) -> list[str]:
    wanted = options.providers or installed_providers()
    return [name for name in wanted if name in all_providers()] or ["cpu"]


def _branched(model: Path, manifest: Manifest, options: EngineOptions) -> Session | None:
    """Return a CPU session with the class map as a branch; None if there is no class map or it cannot be a branch."""
    if not manifest.class_map:
        return None
    from service.engine.class_map_graph import with_optional_class_map  # noqa: PLC0415  onnx takes 12 MiB, and not all processes open graphs

    try:
        changed = with_optional_class_map(model, len(manifest.labels))
        if changed is None:
            return None
        with file_in_memory("snellen-graph", changed) as path:  # given bytes, onnxruntime would keep them in memory
            session = Session(_open(path, manifest, options, ["cpu"]))
    except Exception as error:  # the exceptions of onnx and of onnxruntime have no common base class
        logger.info("%s is run as it is, with its class map: %s: %s", model, type(error).__name__, error)
        return None
    return None if session.contract_violation(manifest) else session


def _as_it_is(model: Path, manifest: Manifest, options: EngineOptions, providers: list[str]) -> Session:
    """Open the file unchanged.

    Clients see the reason, so it holds no path. onnxruntime's message does, and goes to the log.
    """
    try:
        return Session(_open(model, manifest, options, providers))
    except Exception as error:
        logger.error("onnxruntime cannot load %s: %s", model, error)
        reason = f"onnxruntime cannot load {model.name} ({type(error).__name__}); the log has the cause"
        raise EngineRejected(reason) from error


def _open(model: Path, manifest: Manifest, options: EngineOptions, providers: list[str]) -> ort.InferenceSession:
    session_options = ort.SessionOptions()
    session_options.enable_mem_pattern = manifest.dense is None  # else a memory plan is kept for every input size
    session_options.intra_op_num_threads = options.threads_per_batch
    session_options.inter_op_num_threads = 1
    session_options.log_severity_level = 3
    if options.rests:
        session_options.add_session_config_entry("session.force_spinning_stop", "1")
    return ort.InferenceSession(model, session_options, providers=with_options(providers, _purpose(manifest, options)))


def _purpose(manifest: Manifest, options: EngineOptions) -> SessionUse:
    threads = options.threads_per_batch
    return SessionUse(
        manifest.input.shape,
        options.precision,
        options.tf32,
        options.cuda_graph,
        max(1, options.largest),
        options.engines,
        options.concurrency or max(1, options.cores // threads),
        threads,
    )


def _check_provider(provider: str, options: EngineOptions) -> None:
    wanted = (options.providers or installed_providers())[0]
    strict = options.strict if options.strict is not None else wanted != "cpu"
    if strict and provider != wanted:
        raise EngineRejected(
            f"execution provider {wanted} was asked for, but onnxruntime runs on {provider}: check the driver and that "
            f"onnxruntime-gpu is installed, or set SNELLEN_PROVIDERS={provider} or SNELLEN_STRICT=false"
        )


def _ports(nodes: Sequence[ort.NodeArg]) -> dict[str, TensorSpec]:
    return {node.name: TensorSpec(node.type, node.shape) for node in nodes}
