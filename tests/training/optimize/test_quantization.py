"""Quantization to int8."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from models.contract import Precision, read_bundle
from tests.training.optimize.scaled_graphs import SCALINGS, Case, exported, operators, run
from training.evaluation.agreement import total_variation
from training.evaluation.onnx_session import open_session, predict
from training.optimize.result import OptimizeResult


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return exported(tmp_path_factory.mktemp("case"), SCALINGS["one whole mean"])


def test_int8_holds_weights_of_one_byte(optimized: tuple[Path, OptimizeResult]) -> None:
    """Convolutions per channel; the head, which the class map shares, stays float."""
    graph = onnx.load(read_bundle(optimized[0]).model_path(Precision.INT8)).graph
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    assert sum(kind == onnx.TensorProto.INT8 for kind in kinds.values()) >= 2
    assert [kind for name, kind in kinds.items() if name.endswith("head.weight")] == [onnx.TensorProto.FLOAT]


def test_no_layer_in_int8_is_a_graph_in_float_near_the_original(case: Case, tmp_path: Path) -> None:
    """Only the rounding of the weights changes it; the measurement of ranges does not."""
    case.quantizer.quantize([], tmp_path / "none.onnx")
    assert "QuantizeLinear" not in operators(onnx.load(tmp_path / "none.onnx"))
    probabilities = predict(open_session(tmp_path / "none.onnx"), case.images)
    assert 0 < np.abs(probabilities - run(case.model(), case.images)).max() < 0.005


def test_only_the_chosen_layers_are_quantized(case: Case, tmp_path: Path) -> None:
    """One of two layers has one weight of one byte, and the probabilities stay close."""
    first, second = case.quantizer.layers
    case.quantizer.quantize([second], tmp_path / "one.onnx")
    graph = onnx.load(tmp_path / "one.onnx").graph
    quantized = [tensor.name for tensor in graph.initializer if tensor.name.endswith("_quantized") and tensor.dims]
    assert any(name.startswith(str(second.weight)) for name in quantized)
    assert not any(name.startswith(str(first.weight)) for name in quantized)
    probabilities = predict(open_session(tmp_path / "one.onnx"), case.images)
    assert total_variation(run(case.model(), case.images), probabilities).max() < 0.01
