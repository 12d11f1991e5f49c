"""Graphs whose first int8 layer reads the uint8 pixels directly, without float arithmetic before it.

A pixel is a uint8, and (pixel - mean) * factor is the value that a quantized number of zero point `mean` and scale
`factor` stands for. So the first convolution can read the pixels. Where the mean is no integer, or channels differ, its
weights compensate: see `training.optimize.channel_padding`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper

from models.contract import INPUT
from training.onnx_graph.editing import Array, GraphEditor
from training.onnx_graph.input_scaling import TO_CHANNELS_FIRST, PixelScaling, find_scaling
from training.optimize.channel_padding import CHANNELS, are_convolutions, pad_channels

_PIXELS, _FLOAT, _CENTRED = "pixels", "pixels_float", "pixels_centred"
_SPATIAL = (2, 3)


@dataclass(frozen=True)
class QuantizedInput:
    """tensors: the scaled pixels, then their mirror image if there is one; all with this scale and zero point."""

    tensors: tuple[str, ...]
    scale: np.float32
    zero_point: np.uint8

    def overrides(self) -> dict[str, list[dict[str, Array]]]:
        """Return the scale and zero point of the tensors as onnxruntime's quantizer takes them."""
        return {
            name: [{"scale": np.asarray(self.scale), "zero_point": np.asarray(self.zero_point)}]
            for name in self.tensors
        }

    def remove_float_scaling(self, model: onnx.ModelProto) -> None:
        """Remove scaling and quantization from a quantized graph, unless its first layer is in float."""
        edit = GraphEditor(model)
        quantize = edit.only_reader(self.tensors[0])
        if quantize is None or quantize.op_type != "QuantizeLinear":
            return
        for reader in edit.readers(quantize.output[0]):
            reader.input[0] = _PIXELS
        gone = {_FLOAT, _CENTRED, self.tensors[0], quantize.output[0]}
        edit.remove([node for node in model.graph.node if node.output[0] in gone])
        edit.drop_unused()


def quantize_input(model: onnx.ModelProto) -> QuantizedInput | None:
    """Change the graph in place so that its scaled pixels have one scale and an integer mean for all channels.

    The graph computes the same. Returns None, and changes nothing, without such a scaling or when other nodes than
    convolutions read the pixels.
    """
    edit = GraphEditor(model)
    scaling = find_scaling(edit)
    if scaling is None or not _fits(scaling):
        return None
    tensors, layers = _follow(edit, scaling.output)
    if not are_convolutions(edit, layers):
        return None
    mean, factor = round(scaling.mean.mean()), float(np.float32(np.median(scaling.factor)))
    constant = pad_channels(edit, scaling, layers, mean, factor)
    _write_scaling(edit, scaling, mean, factor, constant)
    edit.forget_shapes(tensors)
    edit.drop_unused()
    return QuantizedInput(tuple(tensors), np.float32(factor), np.uint8(mean))


def _fits(scaling: PixelScaling) -> bool:
    """Return whether the mean is a pixel value, black is the smallest value, and a further channel can be added."""
    means, factors = scaling.mean, scaling.factor
    return bool(means.min() >= 0 and means.max() <= 255 and factors.min() > 0 and len(means) < CHANNELS)


def _follow(edit: GraphEditor, name: str) -> tuple[list[str], list[onnx.NodeProto]]:
    """Return the tensors that hold the pixels, mirrored or not, and the nodes that compute with them."""
    tensors, layers = [name], []
    for node in edit.readers(name):
        if node.op_type == "Slice" and node.input[0] == name and _is_spatial(edit, node):
            more, others = _follow(edit, node.output[0])
            tensors += more
            layers += others
        else:
            layers.append(node)
    return tensors, layers


def _is_spatial(edit: GraphEditor, node: onnx.NodeProto) -> bool:
    axes = edit.constant(node.input[3]) if len(node.input) > 3 else None
    return axes is not None and set(axes.ravel().tolist()) <= set(_SPATIAL)


def _write_scaling(edit: GraphEditor, scaling: PixelScaling, mean: int, factor: float, constant: int) -> None:
    """Write the scaling: channels first, a constant channel, then one mean and one factor.

    The Reshape changes nothing. It keeps onnxruntime from moving the transposition behind the Pad, which takes fifty
    times as long where the channels are last.
    """
    pads = edit.put("pixels_pads", np.array([0, 0, 0, 0, 0, CHANNELS - len(scaling.mean), 0, 0]))
    value = edit.put("pixels_constant", np.array(constant, np.uint8))
    same = edit.put("pixels_same_shape", np.array([0, 0, 0, -1]))
    means = edit.put("pixels_mean", np.array(mean, np.float32))
    factors = edit.put("pixels_factor", np.array(factor, np.float32))
    edit.remove(list(scaling.nodes))
    edit.put_first(
        [
            _node("Transpose", [INPUT], "pixels_transposed", perm=list(TO_CHANNELS_FIRST)),
            _node("Pad", ["pixels_transposed", pads, value], "pixels_padded"),
            _node("Reshape", ["pixels_padded", same], _PIXELS),
            _node("Cast", [_PIXELS], _FLOAT, to=onnx.TensorProto.FLOAT),
            _node("Sub", [_FLOAT, means], _CENTRED),
            _node("Mul", [_CENTRED, factors], scaling.output),
        ]
    )


def _node(kind: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], f"node_{output}", **attributes)
