"""Folding of batch norms into the convolutions before them, where the exporter left any.

Between int8 layers, each batch norm costs a conversion to float and back.
"""

from itertools import groupby

import numpy as np
import onnx

from training.onnx_graph.editing import GraphEditor

_EPSILON = 1e-5
_WEIGHT, _BIAS = 1, 2


def fold_batch_norms(model: onnx.ModelProto) -> None:
    """Fold the norms in place; the graph computes the same.

    PyTorch's exporter folds all norms but those after weights that several convolutions share, as in a network that
    averages over an image and its mirror image. These are folded once, if the same norm follows each convolution.
    """
    edit = GraphEditor(model)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    for weight, group in groupby(sorted(convolutions, key=_weight), key=_weight):
        sharing = list(group)
        norms = [edit.only_reader(node.output[0]) for node in sharing]
        if len(edit.readers(weight)) == len(sharing) and _alike(sharing, norms) and _known(edit, sharing[0], norms[0]):
            _fold(edit, sharing, [norm for norm in norms if norm is not None])
    edit.drop_unused()


def _weight(node: onnx.NodeProto) -> str:
    return str(node.input[_WEIGHT])


def _alike(sharing: list[onnx.NodeProto], norms: list[onnx.NodeProto | None]) -> bool:
    """Return whether each convolution has a norm, and all norms and biases are the same."""
    kinds = {None if norm is None or norm.op_type != "BatchNormalization" else _parameters(norm) for norm in norms}
    return None not in kinds and len(kinds) == 1 and len({tuple(node.input[_BIAS:]) for node in sharing}) == 1


def _known(edit: GraphEditor, node: onnx.NodeProto, norm: onnx.NodeProto | None) -> bool:
    """Return whether weights, biases and the norm's parameters are constants of the graph."""
    names = [*node.input[_WEIGHT:], *(norm.input[1:] if norm is not None else [])]
    return all(edit.constant(name) is not None for name in names)


def _parameters(norm: onnx.NodeProto) -> tuple[object, ...]:
    return *norm.input[1:], _epsilon(norm)


def _epsilon(norm: onnx.NodeProto) -> float:
    return next((attribute.f for attribute in norm.attribute if attribute.name == "epsilon"), _EPSILON)


def _fold(edit: GraphEditor, sharing: list[onnx.NodeProto], norms: list[onnx.NodeProto]) -> None:
    weight, first = sharing[0].input[_WEIGHT], sharing[0]
    gamma, beta, mean, variance = (edit.floats(name) for name in norms[0].input[1:])
    factor = gamma / np.sqrt(variance + _epsilon(norms[0]))
    before = edit.floats(first.input[_BIAS]) if len(first.input) > _BIAS else np.zeros_like(mean)
    edit.put_floats(weight, edit.floats(weight) * factor.reshape(-1, 1, 1, 1))
    bias = edit.put_floats(f"{weight}_bias", (before - mean) * factor + beta)
    for node, norm in zip(sharing, norms, strict=True):
        del node.input[_BIAS:]
        node.input.append(bias)
        node.output[0] = norm.output[0]
    edit.remove(norms)
