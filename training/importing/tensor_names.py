"""Tensors of an ONNX graph by name, those inside branches and loops included."""

from collections.abc import Iterator, Mapping

import onnx
from onnx import TensorProto, helper

_LISTED_WEIGHTS_IR = 3
"""Up to this IR version weights are listed among the inputs."""


def constants(graph: onnx.GraphProto) -> dict[str, TensorProto]:
    """Return the tensors whose values stand in the graph itself: its weights, and what Constant nodes hold."""
    found = {tensor.name: tensor for tensor in graph.initializer}
    return found | {
        node.output[0]: node.attribute[0].t
        for node in graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }


def list_weights(model: onnx.ModelProto) -> None:
    """Add the weights to the inputs where they are missing, if the model's IR version asks for it."""
    if model.ir_version > _LISTED_WEIGHTS_IR:
        return
    listed = {value.name for value in model.graph.input}
    model.graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in model.graph.initializer
        if tensor.name not in listed
    )


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs that are attributes of a node."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def names_read(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the names of all tensors that a node reads, also inside its graphs and as their outputs."""
    yield from filter(None, node.input)
    for graph in subgraphs(node):
        yield from (value.name for value in graph.output)
        for inner in graph.node:
            yield from names_read(inner)


def rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Give tensors other names, wherever they are named."""
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = names.get(value.name, value.name)
    for sparse in graph.sparse_initializer:
        sparse.values.name = names.get(sparse.values.name, sparse.values.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for inner in subgraphs(node):
            rename(inner, names)


def keep_only(graph: onnx.GraphProto, wanted: set[str]) -> None:
    """Remove nodes and weights that none of these tensors depends on. The nodes are in topological order."""
    needed, kept = set(wanted), list[onnx.NodeProto]()
    for node in reversed(graph.node):
        if not needed.isdisjoint(node.output):
            kept.append(node)
            needed.update(names_read(node))
    weights = [tensor for tensor in graph.initializer if tensor.name in needed]
    dropped = {tensor.name for tensor in graph.initializer} - needed
    inputs = [value for value in graph.input if value.name not in dropped]
    for field, values in ((graph.node, kept[::-1]), (graph.initializer, weights), (graph.input, inputs)):
        del field[:]
        field.extend(values)
