"""Rounding of the weights of convolutions to int8 so that their outputs, not the weights, stay near those of fp32.

A weight rounded to the nearest of 255 values is off by up to half a step. The other weights of the same output can make
up for most of that, because the inputs of a layer depend on each other. Layer by layer, in the order of computation:
a regression finds the weights and the bias that give the outputs of fp32 for the inputs that this layer has once the
layers before it are rounded; then one weight after the other is rounded, and the error is passed on to those that
follow. The bias is last and stays in float, so that the mean of each output is that of fp32.

Source: Frantar et al., "GPTQ", ICLR 2023, for linear layers; here for convolutions, with a regression before it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from models.contract import INPUT, Pixels
from training.evaluation.onnx_session import open_session
from training.onnx_graph.editing import GraphEditor

Array = NDArray[np.float64]
Log = Callable[[str], None]

LARGEST = 127
"""Largest int8 value in use; the grid is symmetric."""
_POSITIONS = 64
"""Positions of an output that a batch of images is sampled at."""
_BATCH = 16
_DAMPING = 0.01
"""Added to the second moments of the inputs, relative to their mean: weights that no image uses stay where they are."""


@dataclass(frozen=True)
class Convolution:
    """A convolution with constant weights and bias. nodes: all that share them; kernel: its height and width."""

    nodes: tuple[onnx.NodeProto, ...]
    weight: str
    bias: str
    kernel: tuple[int, int]
    depthwise: bool


def round_weights(model: onnx.ModelProto, images: Pixels, log: Log) -> None:
    """Change weights and biases of the convolutions in place; the weights then lie on a grid of int8 for each channel.

    The largest weight of each output channel keeps its value, so that a quantizer by the largest value finds the grid.
    model: in float32, batch norms folded; images: uint8 [N, H, W, C], N is at least 1. Convolutions whose groups are
    neither one nor as many as the channels are left as they are, as are those without a bias of their own.
    """
    original = onnx.ModelProto()
    original.CopyFrom(model)
    edit, random = GraphEditor(model), np.random.default_rng(seed=0)
    found = find_convolutions(model)
    for index, layer in enumerate(found, start=1):
        values = edit.floats(layer.weight)
        rows = np.concatenate([values.reshape(len(values), -1), edit.floats(layer.bias)[:, None]], axis=1)
        moments, missing = _statistics(original, model, layer, rows, images, random)
        rounded = _round_layer(rows, moments, missing, depthwise=layer.depthwise)
        edit.put_floats(layer.weight, rounded[:, :-1].reshape(values.shape))
        edit.put_floats(layer.bias, rounded[:, -1])
        if index % 10 == 0 or index == len(found):
            log(f"{index} of {len(found)} convolutions rounded")


def find_convolutions(model: onnx.ModelProto) -> list[Convolution]:
    """Return the convolutions that `round_weights` changes, in the order of computation."""
    edit, outputs = GraphEditor(model), {output.name for output in model.graph.output}
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        if node.op_type == "Conv" and len(node.input) == 3 and node.output[0] not in outputs:
            found.setdefault(node.input[1], []).append(node)
    return [
        Convolution(tuple(nodes), name, nodes[0].input[2], _kernel(edit, name), _groups(nodes[0]) > 1)
        for name, nodes in found.items()
        if _is_suited(edit, name, nodes)
    ]


def _kernel(edit: GraphEditor, weight: str) -> tuple[int, int]:
    height, width = edit.floats(weight).shape[2:]
    return height, width


def _is_suited(edit: GraphEditor, name: str, nodes: Sequence[onnx.NodeProto]) -> bool:
    weight, bias = edit.constant(name), nodes[0].input[2]
    if weight is None or weight.ndim != 4 or edit.constant(bias) is None:
        return False
    readers = len(edit.readers(name)), len(edit.readers(bias))
    same = all(node.input[2] == bias for node in nodes) and readers == (len(nodes), len(nodes))
    groups, depthwise = _groups(nodes[0]), (len(weight), 1)
    grouped_well = groups == 1 or (groups, weight.shape[1]) == depthwise
    return same and grouped_well and _attribute(nodes[0], "auto_pad", b"NOTSET") == b"NOTSET"


def _round_layer(rows: Array, moments: Array, missing: Array, *, depthwise: bool) -> Array:
    """Return the rounded rows [K, d + 1], each with its bias last.

    moments: second moments of the inputs and a constant one, [d + 1, d + 1], for each row where `depthwise`;
    missing: product of them and of what the outputs lack of those of fp32, [K, d + 1].
    """
    if not depthwise:
        return round_rows(rows, moments, missing)
    each = zip(rows, moments, missing, strict=True)
    return np.concatenate([round_rows(row[None], square, product[None]) for row, square, product in each])


def round_rows(rows: Array, moments: Array, missing: Array) -> Array:
    """Return rows [K, d + 1] with rounded weights; arguments as for a layer that is not depthwise."""
    count = rows.shape[1] - 1
    damped = moments.copy()
    damped[np.diag_indices(count)] += _DAMPING * np.trace(moments[:-1, :-1]) / count + 1e-9
    damped[-1, -1] *= 1 + 1e-6
    largest = np.abs(rows[:, :-1]).argmax(axis=1)
    steps = np.maximum(np.abs(rows[:, :-1]).max(axis=1), 1e-12) / LARGEST
    wanted = rows + np.linalg.solve(damped, missing.T).T
    order = np.append(np.argsort(-np.diag(damped)[:-1], kind="stable"), count)
    factor = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    values, rounded = wanted[:, order], np.empty_like(rows)
    for place, column in enumerate(order[:-1]):
        levels = np.clip(np.round(values[:, place] / steps), -LARGEST, LARGEST)
        rounded[:, column] = np.where(largest == column, rows[:, column], levels * steps)
        error = (values[:, place] - rounded[:, column]) / factor[place, place]
        values[:, place + 1 :] -= np.outer(error, factor[place, place + 1 :])
    rounded[:, -1] = values[:, -1]
    return rounded


def _statistics(
    original: onnx.ModelProto,
    model: onnx.ModelProto,
    layer: Convolution,
    rows: Array,
    images: Pixels,
    random: np.random.Generator,
) -> tuple[Array, Array]:
    """Return `moments` and `missing` of `_round_layer`, means over sampled positions of all images."""
    weights, count = rows.astype(np.float32), 0
    moments, missing = np.zeros(()), np.zeros(())
    for node in layer.nodes:
        before, after = _session(model, node.input[0]), _session(original, node.output[0])
        for start in range(0, len(images), _BATCH):
            batch = {INPUT: images[start : start + _BATCH]}
            (inputs,), (outputs,) = before.run(None, batch), after.run(None, batch)
            places = random.permutation(outputs.shape[2] * outputs.shape[3])[:_POSITIONS]
            down, across = np.divmod(places, outputs.shape[3])
            patches = _patches(inputs, node, layer, down, across)
            wanted = outputs[:, :, down, across].swapaxes(0, 1).reshape(len(rows), -1)  # [K, n]
            transposed = patches.swapaxes(-1, -2)  # [K or none, d + 1, n]
            now = (weights[:, None] @ transposed)[:, 0] if layer.depthwise else weights @ transposed
            lacking = wanted - now
            moments = moments + transposed @ patches
            missing = missing + ((lacking[:, None] @ patches)[:, 0] if layer.depthwise else lacking @ patches)
            count += wanted.shape[1]
    return np.asarray(moments / count), np.asarray(missing / count)


def _patches(
    inputs: NDArray[np.float32],
    node: onnx.NodeProto,
    layer: Convolution,
    down: NDArray[np.int64],
    across: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Return what the weights are multiplied with at sampled positions, and a one for the bias.

    inputs: float32 [B, C, H, W]; down, across: the positions. Returns [n, d + 1], or [K, n, d + 1] where `depthwise`.
    """
    stride, dilation = _attribute(node, "strides", [1, 1]), _attribute(node, "dilations", [1, 1])
    top, left, bottom, right = _attribute(node, "pads", [0, 0, 0, 0])
    height, width = layer.kernel
    padded = np.pad(inputs, ((0, 0), (0, 0), (top, bottom), (left, right)))
    y = (down * stride[0])[:, None, None] + (np.arange(height) * dilation[0])[:, None]
    x = (across * stride[1])[:, None, None] + np.arange(width) * dilation[1]
    found = padded[:, :, y, x]  # [B, C, positions, kernel height, kernel width]
    channels, positions = found.shape[1], len(found) * len(down)
    flat: NDArray[np.float32]
    if layer.depthwise:
        flat = found.swapaxes(0, 1).reshape(channels, positions, height * width)
    else:
        flat = found.swapaxes(1, 2).reshape(positions, channels * height * width)
    return np.concatenate([flat, np.ones((*flat.shape[:-1], 1), np.float32)], axis=-1)


def _session(model: onnx.ModelProto, tensor: str) -> onnxruntime.InferenceSession:
    """Return a session of the part of the graph that computes `tensor`, its only output."""
    part = onnx.ModelProto()
    part.CopyFrom(model)
    kept = [*reversed([*_needed(model, tensor)])]
    del part.graph.node[:], part.graph.output[:]
    part.graph.node.extend(kept)
    part.graph.output.append(onnx.ValueInfoProto(name=tensor))
    GraphEditor(part).drop_unused()
    return open_session(part.SerializeToString(), quiet=True)


def _needed(model: onnx.ModelProto, tensor: str) -> Iterator[onnx.NodeProto]:
    """Yield the nodes that `tensor` depends on, the last one first."""
    wanted = {tensor}
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            wanted |= set(node.input)
            yield node


def _groups(node: onnx.NodeProto) -> int:
    return int(_attribute(node, "group", 1))


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """Return an attribute of a node, or the default of ONNX."""
    values = [onnx.helper.get_attribute_value(each) for each in node.attribute if each.name == name]
    return values[0] if values else default
