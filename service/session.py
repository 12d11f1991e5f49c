"""Opens a graph with onnxruntime on the wanted execution provider, or says why it cannot be served here."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnxruntime as ort

from models.contract import Manifest, Precision
from service.class_map_branch import WANTED, branched
from service.graph import Port, misfit
from service.providers import FASTEST_FIRST, NAMES, PROVIDERS, Purpose, with_options

logger = logging.getLogger(__name__)

RUNTIME = f"onnxruntime {ort.__version__}"


class EngineRejected(Exception):
    """This model must not serve here; the message says why."""


@dataclass(frozen=True)
class EngineOptions:
    """`providers` in order of preference, short names, empty for the best installed; see Settings for the rest.

    precision: of the graph. tf32: allow it on a GPU. largest: batch that a GPU is prepared for, 0 for none.
    cuda_graph: one for each batch size. engines: folder of what TensorRT builds. rests: threads stop between runs.
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
    """What the installed onnxruntime could use: cuda before cpu, whether the machine has it or not."""
    return tuple(name for name in ("cuda", "cpu") if name in all_providers())


def all_providers() -> tuple[str, ...]:
    """Every one that is installed and that we know, probably fastest first."""
    available = ort.get_available_providers()
    return tuple(name for name in FASTEST_FIRST if PROVIDERS[name] in available)


def open_session(model: Path, manifest: Manifest, options: EngineOptions) -> tuple[ort.InferenceSession, str]:
    """The session, and the provider that it runs on. Raises EngineRejected.

    On the CPU, a class map that only some ask for is a branch of the graph: see `leaves_class_map_out`.
    """
    providers = _known(options)
    session = _open(model, manifest, options, providers)
    first = session.get_providers()[0]
    provider = NAMES.get(first, first)
    _check_provider(provider, options)
    if provider == "cpu" and providers != ["cpu"]:
        return open_session(model, manifest, replace(options, providers=("cpu",)))
    inputs = {name: port for name, port in _ports(session.get_inputs()).items() if name != WANTED}
    if reason := misfit(inputs, _ports(session.get_outputs()), manifest):
        raise EngineRejected(reason)
    return session, provider


def leaves_class_map_out(session: ort.InferenceSession) -> bool:
    """Whether it has to be told, by the input WANTED, if a class map is wanted."""
    return WANTED in _ports(session.get_inputs())


def _known(options: EngineOptions) -> list[str]:
    wanted = options.providers or installed_providers()
    return [name for name in wanted if name in all_providers()] or ["cpu"]


def _open(model: Path, manifest: Manifest, options: EngineOptions, providers: list[str]) -> ort.InferenceSession:
    """The reason that clients see names no path; onnxruntime's own words, which do, go to the log."""
    session_options = ort.SessionOptions()
    session_options.enable_mem_pattern = manifest.dense is None  # else it keeps a plan for every size it has met
    session_options.intra_op_num_threads = options.threads_per_batch
    session_options.inter_op_num_threads = 1
    session_options.log_severity_level = 3
    if options.rests:
        session_options.add_session_config_entry("session.force_spinning_stop", "1")
    with_theirs = with_options(providers, _purpose(manifest, options))
    try:
        source = branched(model) if manifest.class_map and providers == ["cpu"] else None
        return ort.InferenceSession(source or model, session_options, providers=with_theirs)
    except Exception as error:
        logger.error("onnxruntime cannot load %s: %s", model, error)
        reason = f"onnxruntime cannot load {model.name} ({type(error).__name__}); the log has the cause"
        raise EngineRejected(reason) from error


def _purpose(manifest: Manifest, options: EngineOptions) -> Purpose:
    threads = options.threads_per_batch
    return Purpose(
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


def _ports(nodes: Sequence[ort.NodeArg]) -> dict[str, Port]:
    return {node.name: Port(node.type, node.shape) for node in nodes}
