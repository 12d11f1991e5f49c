"""The pixel scaling of an exported graph."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.contract import INPUT
from training.onnx_graph.editing import GraphEditor
from training.onnx_graph.input_scaling import TO_CHANNELS_FIRST, find_scaling

CHANNELS = np.array([1, 2, 4], np.float32).reshape(3, 1, 1)


def graph(*steps: tuple[str, object]) -> GraphEditor:
    """Of uint8 [N, 2, 2, 3]: each step is an operator and its attribute or constant."""
    nodes, constants, name = [], [], INPUT
    for number, (operator, value) in enumerate(steps):
        inputs: list[str] = [name]
        attributes: dict[str, Any] = {}
        if operator == "Transpose":
            attributes = {"perm": value}
        elif operator == "Cast":
            attributes = {"to": value}
        elif value is not None:
            constants.append(numpy_helper.from_array(np.asarray(value, np.float32), f"c{number}"))
            inputs.append(f"c{number}")
        name = f"t{number}"
        nodes.append(helper.make_node(operator, inputs, [name], **attributes))
    given = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["N", 2, 2, 3])
    made = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    return GraphEditor(helper.make_model(helper.make_graph(nodes, "g", [given], [made], constants)))


START = (("Transpose", TO_CHANNELS_FIRST), ("Cast", TensorProto.FLOAT))


def test_several_steps_are_one_mean_and_one_factor() -> None:
    """(x / 2 - channel) * 4 is (x - 2 channel) * 2; the ReLU after them is no part of it."""
    scaling = find_scaling(graph(*START, ("Div", 2), ("Sub", CHANNELS), ("Mul", 4), ("Relu", None)))
    assert scaling is not None
    assert scaling.mean.tolist() == [2, 4, 8]
    assert scaling.factor.tolist() == [2, 2, 2]
    assert [node.op_type for node in scaling.nodes] == ["Transpose", "Cast", "Div", "Sub", "Mul"]
    assert scaling.output == "t4"


def test_constants_before_the_transposition_lie_along_the_last_axis() -> None:
    """Channels are last until then."""
    scaling = find_scaling(
        graph(("Cast", TensorProto.FLOAT), ("Add", [1, 2, 4]), ("Transpose", TO_CHANNELS_FIRST), ("Relu", None))
    )
    assert scaling is not None
    assert scaling.mean.tolist() == [-1, -2, -4]


@pytest.mark.parametrize(
    "steps",
    [
        (("Cast", TensorProto.FLOAT), ("Relu", None)),
        (("Transpose", TO_CHANNELS_FIRST), ("Cast", TensorProto.FLOAT16), ("Relu", None)),
        (*START, ("Mul", 0), ("Relu", None)),
    ],
    ids=["channels last", "no float32", "all zero"],
)
def test_what_is_no_scaling_is_left_alone(steps: tuple[tuple[str, object], ...]) -> None:
    """A graph that does something else first keeps it."""
    assert find_scaling(graph(*steps)) is None


def test_a_constant_that_differs_along_height_ends_the_scaling() -> None:
    """It is no value per channel."""
    scaling = find_scaling(graph(*START, ("Sub", 3), ("Add", np.ones((1, 2, 1))), ("Relu", None)))
    assert scaling is not None
    assert scaling.output == "t2"
    assert isinstance(scaling.nodes[-1], onnx.NodeProto)
    assert scaling.nodes[-1].op_type == "Sub"
