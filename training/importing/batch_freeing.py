"""Graphs that were exported for one image at a time, changed to take any number of images."""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from training.importing.tensor_names import constants

_NAME = "snellen_free_shape_{}"


def free_batch(graph: onnx.GraphProto) -> int:
    """Free the first axis in the constant shapes of all Reshape nodes. Returns the number of nodes changed.

    A shape without -1 gets it as its first size, which is then computed from the others: right wherever the batch is
    the first axis or part of it, and for tensors without a batch. Otherwise a first size of 1 becomes 0, that of the
    input. Whether the graph then computes the same has to be checked with several images.
    """
    known, changed = constants(graph), 0
    for node in graph.node:
        if node.op_type != "Reshape" or node.input[1] not in known:
            continue
        shape = numpy_helper.to_array(known[node.input[1]]).astype(np.int64)
        if not (_zero_is_a_size(node) and 0 in shape) and (freed := _freed(shape)) is not None:
            name = _NAME.format(changed)
            graph.initializer.append(numpy_helper.from_array(freed, name))
            node.input[1] = name
            _forget_allowzero(node)
            changed += 1
    return changed


def _freed(shape: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return the shape with a free first axis, None where it has one or none that can be freed."""
    if shape.size == 0 or shape[0] in (0, -1):
        return None
    result = shape.copy()
    if -1 not in shape:
        result[0] = -1
    elif shape[0] == 1:
        result[0] = 0
    else:
        return None
    return result


def _zero_is_a_size(node: onnx.NodeProto) -> bool:
    """Return whether 0 in the shape is a size, instead of the size of the input; PyTorch's newer exporter sets this."""
    return any(attribute.name == "allowzero" and attribute.i for attribute in node.attribute)


def _forget_allowzero(node: onnx.NodeProto) -> None:
    kept = [attribute for attribute in node.attribute if attribute.name != "allowzero"]
    del node.attribute[:]
    node.attribute.extend(kept)
