"""Graphs run with OpenVINO on the CPU: bf16 variants, which no other library computes, and the speed of all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.contract import Pixels, Precision, openvino_library


def library() -> str:
    """Return name and version of the library, which is installed."""
    return f"OpenVINO {openvino_library.release()}"


def bf16_obstacle() -> str | None:
    """Return why bf16 cannot be computed here, as a clause that says what it takes; None where it can."""
    if not openvino_library.installed():
        return "bf16 is computed by OpenVINO, which is not installed: pip install 'snellen[openvino]'"
    if not openvino_library.computes(Precision.BF16):
        return (
            "this processor has no instructions for bfloat16: use one with AMX or AVX512-BF16, as servers by Intel "
            "since 2023 and by AMD since 2022 have"
        )
    return None


class OpenVinoGraph:
    """A graph on the CPU. It is compiled when the first batch of each shape runs."""

    def __init__(self, path: Path, precision: Precision = Precision.FP32, threads: int = 0) -> None:
        """Read the graph. threads: for one run; 0 lets OpenVINO choose."""
        self._graph, self._precision = openvino_library.core().read_model(path), precision
        self._settings = openvino_library.compile_settings(precision) | {"NUM_STREAMS": 1}
        if threads:
            self._settings["INFERENCE_NUM_THREADS"] = threads
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
        compiled = openvino_library.core().compile_model(self._graph, "CPU", self._settings)
        if other := openvino_library.other_numbers(compiled, self._precision):
            raise RuntimeError(f"OpenVINO computes in {other}")
        return compiled.create_infer_request()
