"""Tensors by name, those inside branches included."""

import onnx
import pytest
from onnx import numpy_helper

from training.importing.tensor_names import constants, keep_only, list_weights, names_read, rename, subgraphs

BRANCHES = """<ir_version: 8, opset_import: ["": 17]>
g (float[3] image, bool wanted) => (float[3] logits, float[3] unused) <float[3] w = {1, 2, 3}, float[3] v = {1, 2, 3}>
{ logits = If (wanted) <then_branch = a () => (float[3] then) { then = Add (image, w) },
                        else_branch = b () => (float[3] other) { other = Identity (image) }>
  unused = Mul (image, v) }"""


def graph() -> onnx.GraphProto:
    return onnx.parser.parse_model(BRANCHES).graph


def test_a_node_reads_what_its_branches_read() -> None:
    """An If reads from outside what its branches name."""
    node = graph().node[0]
    assert {"wanted", "image", "w"} <= set(names_read(node))
    assert len(list(subgraphs(node))) == 2


def test_a_tensor_is_renamed_in_branches_too() -> None:
    """The graph stays valid."""
    changed = onnx.parser.parse_model(BRANCHES)
    rename(changed.graph, {"image": "theirs", "w": "weights", "logits": "result"})
    onnx.checker.check_model(changed)
    assert {"theirs", "weights"} <= set(names_read(changed.graph.node[0]))
    assert changed.graph.output[0].name == "result"


def test_what_no_output_needs_is_removed() -> None:
    """Nodes and weights; those that only a branch reads stay."""
    kept = graph()
    keep_only(kept, {"logits"})
    assert [node.op_type for node in kept.node] == ["If"]
    assert [tensor.name for tensor in kept.initializer] == ["w"]


def test_constants_are_weights_and_what_constant_nodes_hold() -> None:
    """Other ways of writing a constant, such as a list of integers, are not taken."""
    text = """<ir_version: 8, opset_import: ["": 17]>
    g (float[2] image) => (float[2] sum) <float[2] w = {1, 2}>
    { held = Constant <value = float[2] {3, 4}> () listed = Constant <value_ints = [5, 6]> () sum = Add (image, w) }"""
    found = constants(onnx.parser.parse_model(text).graph)
    assert {name: numpy_helper.to_array(tensor).tolist() for name, tensor in found.items()} == {
        "w": [1, 2],
        "held": [3, 4],
    }


@pytest.mark.parametrize(("version", "inputs"), [(3, ["image", "wanted", "w", "v"]), (4, ["image", "wanted"])])
def test_weights_are_inputs_too_where_the_ir_version_asks_for_it(version: int, inputs: list[str]) -> None:
    """Each of them once."""
    model = onnx.parser.parse_model(BRANCHES)
    model.ir_version = version
    list_weights(model)
    list_weights(model)
    assert [value.name for value in model.graph.input] == inputs
