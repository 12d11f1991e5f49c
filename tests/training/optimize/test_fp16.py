"""The fp16 variant."""

from pathlib import Path

import onnx
import pytest

from tests.training.optimize.scaled_graphs import SCALINGS, Case, exported, run
from training.evaluation.agreement import total_variation
from training.optimize.fp16 import convert_to_fp16


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return exported(tmp_path_factory.mktemp("case"), SCALINGS["a mean for each channel"])


def test_weights_are_float16_and_inputs_and_outputs_keep_their_types(case: Case, tmp_path: Path) -> None:
    """uint8 in, float32 out: the service needs not know."""
    convert_to_fp16(case.path, tmp_path / "half.onnx")
    before, after = case.model().graph, onnx.load(tmp_path / "half.onnx").graph
    types = [[value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)] for graph in (before, after)]
    assert types[0] == types[1]
    weights = {tensor.name: tensor.data_type for tensor in after.initializer if len(tensor.dims) == 4}
    convolutions = [node.input[1] for node in after.node if node.op_type == "Conv"]
    assert {weights[name] for name in convolutions if name in weights} == {onnx.TensorProto.FLOAT16}


def test_pixels_are_scaled_in_float32(case: Case, tmp_path: Path) -> None:
    """A mean of 123.675 keeps its fraction."""
    convert_to_fp16(case.path, tmp_path / "half.onnx")
    constants = onnx.load(tmp_path / "half.onnx").graph.initializer
    scaling = {tensor.name: tensor.data_type for tensor in constants if tensor.name in ("mean", "factor")}
    assert scaling == dict.fromkeys(("mean", "factor"), onnx.TensorProto.FLOAT)


def test_probabilities_stay_close_to_fp32(case: Case, tmp_path: Path) -> None:
    """Within the rounding of float16."""
    convert_to_fp16(case.path, tmp_path / "half.onnx")
    halved = run(onnx.load(tmp_path / "half.onnx"), case.images)
    assert total_variation(run(case.model(), case.images), halved).max() < 0.01


def test_nodes_without_names_become_float16_too(case: Case, tmp_path: Path) -> None:
    """Many exporters name none; then the names of those that stay in float32 must not be those of all."""
    model = case.model()
    for node in model.graph.node:
        node.name = ""
    onnx.save(model, tmp_path / "unnamed.onnx")
    convert_to_fp16(tmp_path / "unnamed.onnx", tmp_path / "half.onnx")
    convert_to_fp16(case.path, tmp_path / "named.onnx")
    types = [
        sorted(tensor.data_type for tensor in onnx.load(tmp_path / name).graph.initializer)
        for name in ("half.onnx", "named.onnx")
    ]
    assert types[0] == types[1]
