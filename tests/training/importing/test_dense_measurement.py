"""Stride and window of graphs that take pictures of any size."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime import InferenceSession

from models.contract import Colour, Dense, Input
from tests.support.dense import DENSE, STRIDE, convolutional_graph
from training.evaluation.onnx_session import open_session
from training.importing.dense_measurement import NotDenseError, measure_dense

TARGET = Input(colour=Colour.RGB, height=16, width=16)


def opened(folder: Path, graph: onnx.ModelProto) -> InferenceSession:
    """A session of the graph, with the temperature 1 of an imported network."""
    temperature = next(each for each in graph.graph.initializer if each.name == "temperature")
    temperature.CopyFrom(onnx.numpy_helper.from_array(np.array(1, np.float32), "temperature"))
    onnx.save(graph, folder / "model.onnx")
    return open_session(folder / "model.onnx", quiet=True)


def test_stride_and_window_are_measured(tmp_path: Path) -> None:
    """Also for an input that is not square."""
    session = opened(tmp_path, convolutional_graph())
    assert measure_dense(session, TARGET) == DENSE
    wide = Input(colour=Colour.RGB, height=16, width=32)
    assert measure_dense(session, wide) == Dense(stride=(STRIDE, STRIDE), window=(5, 13))


def test_another_softmax_is_not_dense(tmp_path: Path) -> None:
    """The cells would have other probabilities than the picture alone."""
    onnx.save(convolutional_graph(), tmp_path / "model.onnx")
    with pytest.raises(NotDenseError, match="is not the probabilities"):
        measure_dense(open_session(tmp_path / "model.onnx"), TARGET)


def test_a_map_that_does_not_grow_is_not_dense(tmp_path: Path) -> None:
    """As of a network that resizes its input itself."""
    graph = convolutional_graph()
    first = next(node for node in graph.graph.node if node.name == "" and node.op_type == "Conv")
    resized = onnx.helper.make_node("Resize", ["scaled", "", "", "sizes"], ["small"])
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 3, 16, 16], np.int64), "sizes"))
    first.input[0] = "small"
    graph.graph.node.insert(3, resized)
    with pytest.raises(NotDenseError, match="is not larger"):
        measure_dense(opened(tmp_path, graph), TARGET)


def test_a_graph_of_one_size_only_is_not_dense(tmp_path: Path) -> None:
    """Larger pictures cannot be run."""
    graph = convolutional_graph()
    for axis in (1, 2):
        graph.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = 16
    with pytest.raises(NotDenseError, match="a picture of 48x48 pixels cannot be run"):
        measure_dense(opened(tmp_path, graph), TARGET)
