"""Opens a graph with onnxruntime on an execution provider, or rejects it with the reason."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.contract import CLASS_MAP, INPUT, Manifest, Pixels
from service.engine.graph_check import CLASS_MAP_WANTED, contract_violation
from service.engine.providers import FASTEST_FIRST, PROVIDERS, EngineOptions, with_options
from service.memfd import file_in_memory

if TYPE_CHECKING:  # elsewhere it is imported when it is needed: 12 MiB of a process that does not use it
    import onnxruntime as ort

logger = logging.getLogger(__name__)


class EngineRejected(Exception):
    """The model must not be served here; the message says why."""


def runtime() -> str:
    """Return name and version of the library, as in `onnxruntime 1.32.0`."""
    import onnxruntime as ort  # noqa: PLC0415  see above

    return f"onnxruntime {ort.__version__}"


def installed_providers() -> tuple[str, ...]:
    """Return the providers of the installed onnxruntime, cuda before cpu. The machine may lack the device."""
    return tuple(name for name in ("cuda", "cpu") if name in all_providers())


def all_providers() -> tuple[str, ...]:
    """Return every provider of the installed onnxruntime that we support, presumably fastest first."""
    import onnxruntime as ort  # noqa: PLC0415  see above

    available = ort.get_available_providers()
    return tuple(name for name in FASTEST_FIRST if PROVIDERS.get(name) in available)


class Session:
    """An open graph, and the provider that it runs on."""

    def __init__(self, model: Path, manifest: Manifest, options: EngineOptions, providers: Sequence[str]) -> None:
        """Open the graph. Raises EngineRejected when it does not match the manifest, and what onnxruntime raises."""
        import onnxruntime as ort  # noqa: PLC0415  see above

        settings = ort.SessionOptions()
        settings.enable_mem_pattern = manifest.dense is None  # else a memory plan is kept for every input size
        settings.intra_op_num_threads = options.threads_per_batch
        settings.inter_op_num_threads = 1
        settings.log_severity_level = 3
        if options.stop_spinning:
            settings.add_session_config_entry("session.force_spinning_stop", "1")
        configured = with_options(providers, manifest.input.shape, options)
        self.opened = ort.InferenceSession(model, settings, providers=configured)
        first = self.opened.get_providers()[0]
        self.provider = next((name for name, value in PROVIDERS.items() if value == first), first)
        inputs, outputs = (
            {tensor.name: (tensor.type, tensor.shape[1:]) for tensor in tensors}
            for tensors in (self.opened.get_inputs(), self.opened.get_outputs())
        )
        self._has_branch = inputs.pop(CLASS_MAP_WANTED, None) is not None
        if reason := contract_violation(inputs, outputs, manifest):
            raise EngineRejected(reason)

    def run(self, names: Sequence[str], images: Pixels, options: "ort.RunOptions") -> list[NDArray[np.float32]]:
        """Run uint8 [N, H, W, C] and return these outputs. Raises what onnxruntime raises."""
        feeds: dict[str, object] = {INPUT: images}
        if self._has_branch:
            feeds[CLASS_MAP_WANTED] = np.array(CLASS_MAP in names)
        outputs: list[NDArray[np.float32]] = self.opened.run(names, feeds, options)
        return outputs


@contextmanager
def rejected_unless_loaded(library: str, model: Path) -> Iterator[None]:
    """Turn what a library raises while it loads a graph into EngineRejected.

    Clients see its reason, so it holds no path; the message of the library does, and is logged.
    """
    try:
        yield
    except EngineRejected:
        raise
    except Exception as error:  # the exceptions of the libraries have no common base class
        logger.error("%s cannot load %s: %s", library, model, error)
        reason = f"{library} cannot load {model.name} ({type(error).__name__}); the log has the cause"
        raise EngineRejected(reason) from error


def open_session(model: Path, manifest: Manifest, options: EngineOptions) -> Session:
    """Open a session. On the CPU, runs that do not need the class map do not compute it. Raises EngineRejected."""
    wanted = options.providers or installed_providers()
    providers = [name for name in wanted if name in all_providers()] or ["cpu"]
    session = _branched(model, manifest, options) if providers == ["cpu"] else None
    with rejected_unless_loaded("onnxruntime", model):
        session = session or Session(model, manifest, options, providers)
    strict = options.strict if options.strict is not None else wanted[0] != "cpu"
    if strict and session.provider != wanted[0]:
        raise EngineRejected(
            f"execution provider {wanted[0]} was asked for, but onnxruntime runs on {session.provider}: check the "
            "driver and that onnxruntime-gpu is installed, or set "
            f"SNELLEN_PROVIDERS={session.provider} or SNELLEN_STRICT=false"
        )
    if session.provider == "cpu" and providers != ["cpu"]:
        return _branched(model, manifest, options) or session
    return session


def _branched(model: Path, manifest: Manifest, options: EngineOptions) -> Session | None:
    """Return a CPU session with the class map as a branch; None if there is no class map or it cannot be a branch."""
    if not manifest.class_map:
        return None
    from service.engine.class_map_graph import with_optional_class_map  # noqa: PLC0415  onnx takes 12 MiB, and not all processes open graphs

    try:
        if (changed := with_optional_class_map(model, len(manifest.labels))) is None:
            return None
        with file_in_memory("snellen-graph", changed) as path:  # given bytes, onnxruntime would keep them in memory
            return Session(path, manifest, options, ["cpu"])
    except Exception as error:  # the exceptions of onnx and of onnxruntime have no common base class
        logger.info("%s is run as it is, with its class map: %s: %s", model, type(error).__name__, error)
        return None
