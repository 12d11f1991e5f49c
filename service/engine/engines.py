"""The libraries that run graphs: which are installed, and the engine of each."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol, Self

from models.contract import Manifest, Pixels, Precision, openvino_library
from service.engine.openvino_engine import OpenVinoEngine
from service.engine.providers import FASTEST_FIRST, OPENVINO, EngineOptions
from service.engine.session import EngineRejected, all_providers, runtime
from service.types import Batch, DensePrediction, Engine

logger = logging.getLogger(__name__)


class LocalEngine(Engine, Protocol):
    """What an engine in this process can do besides running batches."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """The batch sizes that the engine is prepared for, ascending; empty where every size is run as it is."""
        ...

    def add_latency_session(self, other: Self) -> None:
        """Use `other`, an engine of more threads and the same library, for batches with `only_request`."""
        ...

    def warm_up(self, batches: Iterable[Batch]) -> None:
        """Run each batch, and release what memory the next batches do not need. Raises EngineFailure."""
        ...

    def run_dense(self, image: Pixels) -> DensePrediction:
        """Run one image of any size in the calling thread, uint8 [H, W, C]. Raises EngineFailure."""
        ...


def every_provider() -> tuple[str, ...]:
    """Return every provider of the installed libraries, presumably fastest first. The machine may lack the device."""
    names = (*all_providers(), *([OPENVINO] if openvino_library.installed() else []))
    return tuple(name for name in FASTEST_FIRST if name in names)


def runtime_of(name: str) -> str:
    """Return name and version of the library that a provider belongs to."""
    return f"{OPENVINO} {openvino_library.release() or 'not installed'}" if name == OPENVINO else runtime()


def obstacle(precision: Precision, providers: tuple[str, ...]) -> str | None:
    """Return why the first of the providers cannot compute a variant here; None if it can, as far as is known."""
    if precision is not Precision.BF16:
        return None
    if providers[:1] != (OPENVINO,):
        return f"{precision} runs on OpenVINO only, see --providers"
    if openvino_library.installed() and not openvino_library.computes(precision):
        return f"this processor has no instructions for {precision}"
    return None


def providers_for(precision: Precision, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the providers to run a variant on: `wanted`, or the one that alone computes it, if it is installed."""
    return (OPENVINO,) if precision is Precision.BF16 and openvino_library.installed() else wanted


def open_engine(model: Path, manifest: Manifest, options: EngineOptions) -> LocalEngine:
    """Open a graph with the library of the first provider that is installed. Raises EngineRejected.

    Without `strict`, onnxruntime runs what OpenVINO cannot.
    """
    if _openvino_is_first(options):
        try:
            if reason := obstacle(options.precision, (OPENVINO,)):
                raise EngineRejected(reason)
            return OpenVinoEngine(model, manifest, options)
        except EngineRejected as error:
            if options.strict is not False:
                raise
            logger.warning("onnxruntime runs %s: %s", model.name, error)
    others = tuple(name for name in options.providers if name != OPENVINO)
    if reason := obstacle(options.precision, others):
        raise EngineRejected(reason)
    from service.engine.onnx_engine import OnnxEngine  # noqa: PLC0415  12 MiB, and OpenVINO does without it

    return OnnxEngine(model, manifest, replace(options, providers=others))


def _openvino_is_first(options: EngineOptions) -> bool:
    """Return whether OpenVINO is the first provider, or without `strict` the first that is installed."""
    if options.providers[:1] == (OPENVINO,):
        return True
    if OPENVINO not in options.providers or options.strict is not False:
        return False
    return next(name for name in options.providers if name in {*all_providers(), OPENVINO}) == OPENVINO
