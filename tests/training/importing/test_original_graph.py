"""The network of an ONNX file, fed by numpy."""

from pathlib import Path

import numpy as np
import onnx.parser
import pytest

from tests.support.onnx_files import NCHW_LOGITS, SIDE, TWO_OUTPUTS, write_onnx
from training.errors import OnnxImportError
from training.importing.network_input import Layout, NetworkInput
from training.importing.normalization import ChannelOrder, Normalization
from training.importing.original_graph import OriginalGraph, network_values

INPUT = NetworkInput("input", "float32", Layout.NCHW, 3, SIDE, SIDE, fixed_batch=False)
UNIT = Normalization(ChannelOrder.RGB, (0.0,), (255.0,))


def test_pixels_are_ordered_scaled_and_laid_out() -> None:
    """One red pixel, as three formats."""
    pixels = np.array([[[[255, 0, 51]]]], np.uint8)
    assert network_values(pixels, INPUT, UNIT).tolist() == [[[[1]], [[0]], [[np.float32(0.2)]]]]
    bgr = Normalization(ChannelOrder.BGR, (1.0, 2.0, 3.0), (1.0,))
    last = NetworkInput("input", "float16", Layout.NHWC, 3, SIDE, SIDE, fixed_batch=False)
    values = network_values(pixels, last, bgr)
    assert values.tolist() == [[[[50, -2, 252]]]]
    assert values.dtype == np.float16


def test_all_outputs_are_returned_by_name(tmp_path: Path) -> None:
    """For one image."""
    original = OriginalGraph(write_onnx(tmp_path / "model.onnx", TWO_OUTPUTS))
    values = original.run(np.zeros((1, 3, SIDE, SIDE), np.float32))
    assert {name: value.shape for name, value in values.items()} == {"features": (1, 12), "logits": (1, 3)}


def test_an_output_of_classes_is_no_output_of_scores(tmp_path: Path) -> None:
    """As of a graph that ends in ArgMax; it is named among the others."""
    text = """<ir_version: 8, opset_import: ["": 17]> g (float[n, 3, 28, 28] input) => (int64[n] best) {
        pooled = GlobalAveragePool (input) features = Flatten <axis = 1> (pooled)
        best = ArgMax <axis = 1, keepdims = 0> (features) }"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "model.onnx")
    original = OriginalGraph(tmp_path / "model.onnx")
    assert original.run(np.zeros((1, 3, 28, 28), np.float32)) == {}
    assert original.other_outputs == ("best tensor(int64)",)


def test_what_onnxruntime_refuses_is_one_sentence(tmp_path: Path) -> None:
    """When the graph is loaded, and when it is run."""
    broken = write_onnx(tmp_path / "broken.onnx", NCHW_LOGITS.replace("Gemm <transB = 1>", "NoSuchOperator"))
    with pytest.raises(OnnxImportError, match="onnxruntime cannot load"):
        OriginalGraph(broken)
    original = OriginalGraph(write_onnx(tmp_path / "model.onnx", NCHW_LOGITS))
    with pytest.raises(OnnxImportError, match="cannot run an image"):
        original.run(np.zeros((1, 3, SIDE + 1, SIDE), np.float32))


def test_a_graph_without_floating_point_outputs_returns_none(tmp_path: Path) -> None:
    """Such as one that returns the number of the best class."""
    text = NCHW_LOGITS.replace("float[batch, 3] output", "int64[batch, 1] output").replace(
        "output = Gemm <transB = 1> (features, w, b)",
        "scores = Gemm <transB = 1> (features, w, b) output = ArgMax <axis = 1> (scores)",
    )
    original = OriginalGraph(write_onnx(tmp_path / "model.onnx", text))
    assert original.run(np.zeros((1, 3, SIDE, SIDE), np.float32)) == {}
    assert original.other_outputs == ("output tensor(int64)",)
