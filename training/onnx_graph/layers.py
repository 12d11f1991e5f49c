"""The layers of an ONNX graph, each quantized or pruned as a whole."""

from dataclasses import dataclass

import onnx

WEIGHTED = ("Conv", "Gemm", "MatMul")
_ACTIVATIONS = ("Relu", "Clip")


@dataclass(frozen=True)
class Layer:
    """A node with weights, or a sum of two branches, and the activation right after it, if there is one.

    name: of its weights, or of the sum; nodes: names in the graph; weight, bias: names of initializers or None.
    """

    name: str
    nodes: tuple[str, ...]
    weight: str | None = None
    bias: str | None = None


def find_layers(model: onnx.ModelProto) -> list[Layer]:
    """Return the layers in the order of computation, without head and class map, which compute the graph's outputs."""
    outputs = {output.name for output in model.graph.output}
    return [layer for layer, node in _all_layers(model) if not outputs & set(node.output)]


def _all_layers(model: onnx.ModelProto) -> list[tuple[Layer, onnx.NodeProto]]:
    constants = {tensor.name for tensor in model.graph.initializer}
    found = []
    for node in model.graph.node:
        weight, bias = (*(name if name in constants else None for name in node.input[1:3]), None, None)[:2]
        if node.op_type in WEIGHTED and weight is not None:
            nodes = (node.name, *_activation(model, node))
            found.append((Layer(weight.removesuffix(".weight"), nodes, weight, bias), node))
        elif node.op_type == "Add" and not constants & set(node.input):
            found.append((Layer(node.name, (node.name, *_activation(model, node))), node))
    return found


def _activation(model: onnx.ModelProto, node: onnx.NodeProto) -> list[str]:
    readers = [reader for reader in model.graph.node if node.output[0] in reader.input]
    return [readers[0].name] if len(readers) == 1 and readers[0].op_type in _ACTIVATIONS else []
