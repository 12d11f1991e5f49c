"""The ONNX file of a bundle."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from training.importing import graph_file
from training.importing.graph_file import save_graph


def graph() -> onnx.ModelProto:
    weights = numpy_helper.from_array(np.ones((30, 30), np.float32), "w")
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [30, 30]) for name in "xy"]
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    return helper.make_model(helper.make_graph([node], "g", values[:1], values[1:], [weights]))


def test_weights_that_fit_are_in_the_file(tmp_path: Path) -> None:
    """A bundle has one file then."""
    assert save_graph(graph(), tmp_path) == tmp_path / "model.onnx"
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_larger_weights_are_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protobuf cannot write more than 2 GiB; both files together are the graph."""
    monkeypatch.setattr(graph_file, "_LARGEST_FILE", 100)
    save_graph(graph(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "model.onnx.data"]
    loaded = onnx.load(tmp_path / "model.onnx")
    assert (numpy_helper.to_array(loaded.graph.initializer[0]) == 1).all()
