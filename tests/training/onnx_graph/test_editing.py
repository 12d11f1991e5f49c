"""Changes to an ONNX graph in memory."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from training.onnx_graph.editing import GraphEditor


@pytest.fixture
def model() -> onnx.ModelProto:
    """y = relu(x + b), and z = relu(x + b) * b; the constant `unused` is read by no node."""
    nodes = [
        helper.make_node("Add", ["x", "b"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["y"]),
        helper.make_node("Mul", ["y", "b"], ["z"]),
    ]
    given, *made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("x", "y", "z"))
    constants = [numpy_helper.from_array(np.array([1, 2], np.float32), name) for name in ("b", "unused")]
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("sum", "b")]
    return helper.make_model(helper.make_graph(nodes, "g", [given], made, constants, value_info=shapes))


def test_constants_are_read_and_other_names_are_none(model: onnx.ModelProto) -> None:
    """As their own type, or as float64."""
    edit = GraphEditor(model)
    found = edit.constant("b")
    assert found is not None
    assert (found.tolist(), found.dtype.name, edit.floats("b").dtype.name) == ([1, 2], "float32", "float64")
    assert edit.constant("sum") is None


def test_the_only_reader_is_none_of_several_and_of_an_output(model: onnx.ModelProto) -> None:
    """Such a tensor cannot be changed for one node alone."""
    edit = GraphEditor(model)
    reader = edit.only_reader("sum")
    assert reader is not None
    assert reader.op_type == "Relu"
    assert [node.op_type for node in edit.readers("b")] == ["Add", "Mul"]
    assert edit.only_reader("b") is None
    assert edit.only_reader("y") is None


def test_a_changed_constant_forgets_its_shape_and_a_new_one_is_added(model: onnx.ModelProto) -> None:
    """A recorded shape would contradict the new values."""
    edit = GraphEditor(model)
    edit.put_floats("b", np.array([3.0]))
    assert edit.put("new", np.array([7])) == "new"
    assert [value.name for value in model.graph.value_info] == ["sum"]
    assert edit.floats("b").tolist() == [3]
    assert edit.floats("new").tolist() == [7]


def test_nodes_are_removed_and_put_first_and_unused_constants_dropped(model: onnx.ModelProto) -> None:
    """What is left is still a graph in order."""
    edit = GraphEditor(model)
    edit.remove([model.graph.node[2]])
    edit.put_first([helper.make_node("Identity", ["x"], ["copy"])])
    edit.drop_unused()
    assert [node.op_type for node in model.graph.node] == ["Identity", "Add", "Relu"]
    assert [tensor.name for tensor in model.graph.initializer] == ["b"]
    assert edit.constant("unused") is None
