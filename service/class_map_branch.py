"""The class map as a branch of a graph: onnxruntime computes all outputs of a graph, asked for or not."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import onnx
from onnx import NodeProto, ValueInfoProto, helper
from onnx.external_data_helper import uses_external_data

from models.contract import CLASS_MAP

WANTED = "class_map_wanted"
_INNER, _NONE = "class_map_wanted_then", "class_map_wanted_else"


def branched(path: Path) -> bytes | None:
    """The model with one more input, WANTED: bool []. Without it the class map is empty and costs nothing.

    None where there is nothing to gain: no class map, or all that it needs is needed by other outputs too, or weights
    that lie outside the file. Raises what `onnx.load` raises.
    """
    model = onnx.load(path, load_external_data=False)
    graph = model.graph
    class_map = next((output for output in graph.output if output.name == CLASS_MAP), None)
    if class_map is None or any(map(uses_external_data, graph.initializer)):
        return None
    nodes = list(graph.node)
    mapping, others = _needed(nodes, {CLASS_MAP}), _needed(nodes, _names(graph.output) - {CLASS_MAP})
    own = (mapping & _following(nodes, _names(graph.input))) - others
    if not own:
        return None
    kept = (mapping | others) - own
    del graph.node[:]
    graph.node.extend([*(nodes[i] for i in sorted(kept)), _branch(class_map, [nodes[i] for i in sorted(own)])])
    graph.input.append(helper.make_tensor_value_info(WANTED, onnx.TensorProto.BOOL, []))
    serialized: bytes = model.SerializeToString()
    return serialized


def _branch(class_map: ValueInfoProto, own: Sequence[NodeProto]) -> NodeProto:
    type_ = class_map.type.tensor_type
    for node in own:  # a tensor has one name in the graph and its branches
        node.output[:] = [_INNER if name == CLASS_MAP else name for name in node.output]
        node.input[:] = [_INNER if name == CLASS_MAP else name for name in node.input]
    shape = [0, type_.shape.dim[1].dim_value, 0, 0]
    nothing = helper.make_node("Constant", [], [_NONE], value=helper.make_tensor(_NONE, type_.elem_type, shape, []))
    then_ = helper.make_graph(own, _INNER, [], [helper.make_tensor_value_info(_INNER, type_.elem_type, None)])
    else_ = helper.make_graph([nothing], _NONE, [], [helper.make_tensor_value_info(_NONE, type_.elem_type, None)])
    return helper.make_node("If", [WANTED], [CLASS_MAP], then_branch=then_, else_branch=else_)


def _needed(nodes: Sequence[NodeProto], names: Iterable[str]) -> set[int]:
    """Numbers of the nodes that these tensors are made by."""
    makers = {name: index for index, node in enumerate(nodes) for name in node.output}
    found, wanted = set[int](), list(names)
    while wanted:
        index = makers.get(wanted.pop())
        if index is not None and index not in found:
            found.add(index)
            wanted.extend(_read(nodes[index]))
    return found


def _following(nodes: Sequence[NodeProto], names: Iterable[str]) -> set[int]:
    """Numbers of the nodes that depend on these tensors; the others are constants, which onnxruntime folds."""
    readers: dict[str, list[int]] = {}
    for index, node in enumerate(nodes):
        for name in _read(node):
            readers.setdefault(name, []).append(index)
    found, reached = set[int](), list(names)
    while reached:
        new = set(readers.pop(reached.pop(), [])) - found
        found |= new
        reached.extend(name for index in new for name in nodes[index].output)
    return found


def _read(node: NodeProto) -> Iterator[str]:
    """Names of all tensors that a node takes, in its branches and loops too."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _read(inner)


def _names(values: Iterable[ValueInfoProto]) -> set[str]:
    return {value.name for value in values}
