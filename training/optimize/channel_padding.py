"""Padding of the pixels to four channels: the image's own, a constant one, and zero weights for the rest.

Each channel has its mean m and factor f, but a quantized tensor has one zero point z and one scale g. With (p - m) f =
(p - z) g * f / g + (z - m) f the weights are multiplied by f / g. The term (z - m) f is the same everywhere in the
image and zero in the padding of a convolution. So a bias cannot hold it, but a further channel can: it is constant in
the image and, like all channels, zero in the padding.

onnxruntime's fast kernel for a quantized convolution takes channels by fours. With fewer it copies the pixels under
each position of the kernel, which takes twice the time (docs/decisions/int8-takes-pixels-as-they-are.md).
"""

import math

import numpy as np
import onnx
from numpy.typing import NDArray

from training.onnx_graph.editing import GraphEditor
from training.onnx_graph.input_scaling import PixelScaling

CHANNELS = 4
_WEIGHT = 1


def are_convolutions(edit: GraphEditor, layers: list[onnx.NodeProto]) -> bool:
    """Return whether all are ungrouped convolutions that share weights only among themselves."""
    outputs = {node.output[0] for node in layers}
    return bool(layers) and all(
        node.op_type == "Conv"
        and edit.constant(node.input[_WEIGHT]) is not None
        and all(attribute.i == 1 for attribute in node.attribute if attribute.name == "group")
        and {reader.output[0] for reader in edit.readers(node.input[_WEIGHT])} <= outputs
        for node in layers
    )


def pad_channels(
    edit: GraphEditor, scaling: PixelScaling, layers: list[onnx.NodeProto], mean: int, factor: float
) -> int:
    """Give the layers weights for (pixel - `mean`) * `factor` of four channels.

    Returns the value of the constant channel.
    """
    names = list(dict.fromkeys(node.input[_WEIGHT] for node in layers))
    before = [edit.floats(name) for name in names]  # [O, C, kh, kw] each
    own = [weight * (scaling.factor / factor)[:, None, None] for weight in before]
    added = [np.einsum("ocyx,c->oyx", weight, scaling.factor / factor * (mean - scaling.mean)) for weight in before]
    levels = _levels(own, added, mean)
    for name, weight, sums in zip(names, own, added, strict=True):
        rest = np.zeros((len(weight), CHANNELS - weight.shape[1] - 1, *weight.shape[2:]))
        edit.put_floats(name, np.concatenate((weight, sums[:, None] / levels, rest), axis=1))
    return mean + levels


def _levels(own: list[NDArray[np.float64]], added: list[NDArray[np.float64]], mean: int) -> int:
    """Return the distance of the constant from the zero point, so that its weights are about as large as the others,
    which have the same scale.
    """
    ratios = [
        np.abs(sums).max((1, 2)) / np.maximum(np.abs(weight).max((1, 2, 3)), 1e-12)
        for weight, sums in zip(own, added, strict=True)
    ]
    wanted = max(1, math.ceil(max(float(ratio.max()) for ratio in ratios)))
    return min(wanted, 255 - mean) if mean < 128 else -min(wanted, mean)
