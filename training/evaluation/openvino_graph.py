"""Graphs run with OpenVINO on the CPU: bf16 variants, which no other library computes, and the speed of all."""

import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.contract import Pixels, Precision, has_bfloat16

_CONVERTER = "openvino.tools.ovc"
"""Part of the package that nothing here needs, and that reports to Google Analytics as it is imported."""


def installed() -> bool:
    """Return whether OpenVINO can be imported. Does not import it."""
    return find_spec("openvino") is not None


def library() -> str:
    """Return name and version of the library. Raises PackageNotFoundError where it is not installed."""
    return f"OpenVINO {version('openvino')}"


def bf16_obstacle() -> str | None:
    """Return why bf16 cannot be computed here, as a clause that says what it takes; None where it can."""
    if not installed():
        return "bf16 is computed by OpenVINO, which is not installed: pip install 'snellen[openvino]'"
    if not has_bfloat16() or "BF16" not in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return (
            "this processor has no instructions for bfloat16: use one with AMX or AVX512-BF16, as servers by Intel "
            "since 2023 and by AMD since 2022 have"
        )
    return None


class OpenVinoGraph:
    """A graph on the CPU. It is compiled when the first batch of each shape runs."""

    def __init__(self, path: Path, precision: Precision = Precision.FP32, threads: int = 0) -> None:
        """Read the graph. threads: for one run; 0 lets OpenVINO choose."""
        self._graph = _core().read_model(path)
        settings: dict[str, object] = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision is Precision.BF16 else "f32",
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        self._settings = settings | ({"INFERENCE_NUM_THREADS": threads} if threads else {})
        self._requests: dict[tuple[int, ...], Any] = {}
        first = self._graph.inputs[0].get_partial_shape()[0]
        self.batch = None if first.is_dynamic else first.get_length()

    def run(self, names: Sequence[str], images: Pixels) -> list[NDArray[np.float32]]:
        """Return the named outputs of uint8 [N, H, W, C]."""
        if (request := self._requests.get(images.shape)) is None:
            request = self._requests[images.shape] = self._compiled(images.shape)
        request.infer({0: np.ascontiguousarray(images)})
        return [np.array(request.get_tensor(name).data, np.float32) for name in names]

    def _compiled(self, shape: tuple[int, ...]) -> Any:
        self._graph.reshape({self._graph.inputs[0]: list(shape)})
        compiled = _core().compile_model(self._graph, "CPU", self._settings)
        used, asked = compiled.get_property("INFERENCE_PRECISION_HINT"), self._settings["INFERENCE_PRECISION_HINT"]
        if used.get_type_name() != asked:
            raise RuntimeError(f"OpenVINO computes in {used.get_type_name()} instead of {asked}")
        return compiled.create_infer_request()


@cache
def _core() -> Any:
    """Return the object that reads and compiles graphs, with the library's telemetry blocked in this process."""
    sys.modules.setdefault(_CONVERTER, None)  # type: ignore[arg-type]  # Python's mark of a module that must not load
    import openvino  # noqa: PLC0415  an extra

    return openvino.Core()
