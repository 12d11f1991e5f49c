"""The pixel scaling of an exported graph: the nodes between the uint8 image and the first layer, as one affine map."""

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from models.contract import INPUT
from training.onnx_graph.editing import GraphEditor

TO_CHANNELS_FIRST = (0, 3, 1, 2)


@dataclass(frozen=True)
class PixelScaling:
    """(pixel - mean) * factor, both float64 [C]. nodes: compute it; output: the float [N, C, H, W] that they give."""

    nodes: tuple[onnx.NodeProto, ...]
    output: str
    mean: NDArray[np.float64]
    factor: NDArray[np.float64]


def find_scaling(edit: GraphEditor) -> PixelScaling | None:
    """Return the scaling, or None when something else than casts, transpositions and constants per channel comes
    first.
    """
    channels = edit.graph.input[0].type.tensor_type.shape.dim[3].dim_value
    factor, offset = np.ones(channels), np.zeros(channels)
    nodes: list[onnx.NodeProto] = []
    name, axis, cast = INPUT, 3, False
    while (node := edit.only_reader(name)) is not None:
        if node.op_type == "Transpose" and axis == 3 and _setting(node, "perm") == list(TO_CHANNELS_FIRST):
            axis = 1
        elif node.op_type == "Cast" and not cast and _setting(node, "to") == onnx.TensorProto.FLOAT:
            cast = True
        elif (steps := _affine(edit, node, name, axis, channels)) is not None and cast:
            factor, offset = factor * steps[0], offset * steps[0] + steps[1]
        else:
            break
        nodes.append(node)
        name = node.output[0]
    if axis == 3 or not cast or not factor.all():
        return None
    return PixelScaling(tuple(nodes), name, -offset / factor, factor)


def _affine(
    edit: GraphEditor, node: onnx.NodeProto, name: str, axis: int, channels: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return factor and offset [C] of one node with one constant."""
    other = [each for each in node.input if each != name]
    value = _per_channel(edit, other[0], axis, channels) if len(other) == 1 and len(node.input) == 2 else None
    if value is None or (node.op_type in ("Sub", "Div") and node.input[0] != name):
        return None
    match node.op_type:
        case "Add" | "Sub":
            return np.ones(channels), value if node.op_type == "Add" else -value
        case "Mul" | "Div":
            return value if node.op_type == "Mul" else 1 / value, np.zeros(channels)
    return None


def _per_channel(edit: GraphEditor, name: str, axis: int, channels: int) -> NDArray[np.float64] | None:
    """Return a constant that broadcasts over four axes and differs at most along the channels: float64 [C]."""
    if edit.constant(name) is None:
        return None
    value = edit.floats(name)
    whole = value.reshape((1,) * (4 - value.ndim) + value.shape)
    if whole.size not in (1, channels) or whole.size != whole.shape[axis]:
        return None
    return np.broadcast_to(whole.ravel(), channels)


def _setting(node: onnx.NodeProto, name: str) -> object:
    """Return the value of an attribute, or None where it is left out."""
    return next((helper.get_attribute_value(each) for each in node.attribute if each.name == name), None)
