"""The fp16 variant, for accelerators that compute in it; pixel scaling and softmax stay in float32."""

import warnings
from pathlib import Path

import onnx
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from models.contract import LOGITS, PROBABILITIES
from training.onnx_graph.layers import WEIGHTED


def convert_to_fp16(model: Path, path: Path) -> None:
    """Write the graph in `model` to `path` with float16 weights and activations; input and outputs keep their types."""
    graph = onnx.load(model)
    _name_nodes(graph)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # weights too small for float16 become zero
        converted = convert_float_to_float16(
            graph,
            keep_io_types=True,
            op_block_list=[*DEFAULT_OP_BLOCK_LIST, "Softmax"],
            node_block_list=_scaling(graph) + _after_logits(graph),
        )
    onnx.save(converted, path)


def _name_nodes(model: onnx.ModelProto) -> None:
    """Give each node without a name one: onnxruntime's converter keeps nodes in float32 by their names."""
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{index}"


def _scaling(model: onnx.ModelProto) -> list[str]:
    """Return the nodes before the first weights, where a mean of 123.7 would lose its fraction."""
    names = []
    for node in model.graph.node:
        if node.op_type in WEIGHTED:
            break
        names.append(node.name)
    return names


def _after_logits(model: onnx.ModelProto) -> list[str]:
    """Return the nodes from the logits to the probabilities: temperature and softmax."""
    reached, names = {LOGITS}, []
    for node in model.graph.node:
        if reached & set(node.input) and PROBABILITIES not in reached:
            reached |= set(node.output)
            names.append(node.name)
    return names
