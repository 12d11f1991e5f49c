"""The layers of an ONNX graph."""

from pathlib import Path

import onnx

from tests.training.optimize.conftest import TARGET, learnt_network
from training.export.onnx_export import export
from training.onnx_graph.layers import find_layers


def test_layers_leave_out_the_head(tmp_path: Path) -> None:
    """A convolution and its activation are one; what makes an output is none of them."""
    export(learnt_network(), TARGET, tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    assert [len(layer.nodes) for layer in find_layers(model)] == [2, 2]
    assert not any("head" in layer.name for layer in find_layers(model))
