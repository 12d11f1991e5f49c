"""Convolutions that can take a fourth channel."""

from pathlib import Path

from onnx import numpy_helper

from tests.training.optimize.scaled_graphs import SCALINGS, exported
from training.optimize.quantized_input import quantize_input


def test_pixels_that_a_grouped_convolution_sees_keep_their_scaling(tmp_path: Path) -> None:
    """A fourth channel would be no whole group."""
    model = exported(tmp_path, SCALINGS["one whole mean"]).model()
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    next(attribute for attribute in first.attribute if attribute.name == "group").i = 3
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == first.input[1])
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight)[:6, :1], weight.name))
    before = model.SerializeToString()
    assert quantize_input(model) is None
    assert model.SerializeToString() == before
