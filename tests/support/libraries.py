"""The libraries that run graphs, as parameters of tests: what an engine promises holds for each of them."""

from pathlib import Path

import pytest

from models.contract import Bundle, openvino_library
from service.engine.engines import LocalEngine, open_engine
from service.engine.providers import EngineOptions

needs_openvino = pytest.mark.skipif(
    not openvino_library.installed(), reason="OpenVINO is not installed: pip install 'snellen[openvino]'"
)
LIBRARIES = ["cpu", pytest.param("openvino", marks=needs_openvino)]
"""The provider of each library for the CPU."""


def opened(bundle: Bundle, options: EngineOptions, graph: str = "model.onnx", **changes: object) -> LocalEngine:
    """Open a graph of a bundle without verification. changes: of its manifest."""
    return open_engine(bundle.path / Path(graph), bundle.manifest.model_copy(update=changes), options)
