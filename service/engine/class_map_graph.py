"""Moves the class map into a branch of the graph, because onnxruntime computes all outputs of a graph, used or not."""

from collections.abc import Iterable, Iterator, Sequence
from graphlib import TopologicalSorter
from pathlib import Path

import onnx
from onnx import NodeProto, ValueInfoProto, helper
from onnx.external_data_helper import uses_external_data

from models.contract import CLASS_MAP
from service.engine.graph_check import CLASS_MAP_WANTED

_THEN, _ELSE = f"{CLASS_MAP_WANTED}_then", f"{CLASS_MAP_WANTED}_else"


def with_optional_class_map(path: Path, classes: int) -> bytes | None:
    """Return the serialized model with one more input, CLASS_MAP_WANTED: bool [].

    Where it is false, the class map is empty and costs nothing.
    Returns None where nothing would be gained: there is no class map, the other outputs need all its nodes too, or the
    weights are outside the file. Raises what onnx raises for an unusual or damaged file. onnxruntime may not accept the
    result even if it accepts the file.
    """
    model = onnx.load(path, load_external_data=False)
    graph = model.graph
    outputs = _names(graph.output)
    if CLASS_MAP not in outputs or any(map(uses_external_data, graph.initializer)):
        return None
    nodes = list(graph.node)
    order = _in_order(nodes)
    mapping, others = _needed(nodes, order, {CLASS_MAP}), _needed(nodes, order, outputs - {CLASS_MAP})
    own = (mapping & _following(nodes, order, _names(graph.input))) - others
    if not own:
        return None
    kept = (mapping | others) - own
    branch = _branch([nodes[index] for index in order if index in own], classes)
    del graph.node[:]
    graph.node.extend([*(nodes[index] for index in sorted(kept)), branch])
    graph.input.append(helper.make_tensor_value_info(CLASS_MAP_WANTED, onnx.TensorProto.BOOL, []))
    serialized: bytes = model.SerializeToString()
    return serialized


def _branch(own: Sequence[NodeProto], classes: int) -> NodeProto:
    """Return the If node that computes the class map or an empty one; both float32, as in the contract."""
    for node in own:  # tensor names are unique across a graph and its branches
        node.output[:] = [_THEN if name == CLASS_MAP else name for name in node.output]
        node.input[:] = [_THEN if name == CLASS_MAP else name for name in node.input]
    empty = helper.make_tensor(_ELSE, onnx.TensorProto.FLOAT, [0, classes, 0, 0], [])
    graphs = [(_THEN, own), (_ELSE, [helper.make_node("Constant", [], [_ELSE], value=empty)])]
    then_, else_ = (
        helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)])
        for name, nodes in graphs
    )
    return helper.make_node("If", [CLASS_MAP_WANTED], [CLASS_MAP], then_branch=then_, else_branch=else_)


def _in_order(nodes: Sequence[NodeProto]) -> list[int]:
    """Return the indices sorted topologically: onnxruntime sorts a graph, but not its branches."""
    makers = {name: index for index, node in enumerate(nodes) for name in node.output}
    needs = {index: {makers[name] for name in _read(node) if name in makers} for index, node in enumerate(nodes)}
    return list(TopologicalSorter(needs).static_order())


def _needed(nodes: Sequence[NodeProto], order: Sequence[int], names: Iterable[str]) -> set[int]:
    """Return the indices of the nodes that compute these tensors, directly or indirectly."""
    found, wanted = set[int](), set(names)
    for index in reversed(order):
        if not wanted.isdisjoint(nodes[index].output):
            found.add(index)
            wanted.update(_read(nodes[index]))
    return found


def _following(nodes: Sequence[NodeProto], order: Sequence[int], names: Iterable[str]) -> set[int]:
    """Return the indices of the nodes that depend on these tensors; onnxruntime folds the others as constants."""
    found, reached = set[int](), set(names)
    for index in order:
        if not reached.isdisjoint(_read(nodes[index])):
            found.add(index)
            reached.update(nodes[index].output)
    return found


def _read(node: NodeProto) -> Iterator[str]:
    """Yield the names of all tensors that a node reads, also inside its branches and loops."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _read(inner)


def _names(values: Iterable[ValueInfoProto]) -> set[str]:
    return {value.name for value in values}
