"""The ONNX graph of a bundle, opened so that any tensor inside it can be computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from models.contract import CLASS_MAP, INPUT, LOGITS, Pixels

Floats = NDArray[np.float32]
_BATCH = 128
_ACTIVATIONS = {"Clip", "Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "PRelu", "Relu", "Sigmoid", "Tanh"}
_ENDS = _ACTIVATIONS - {"HardSigmoid", "Sigmoid"} | {
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Concat",
    "MaxPool",
    "Mul",
}
"""Operators whose output is called a layer. A sigmoid inside a network is usually a gate, which `Mul` applies."""


@dataclass(frozen=True)
class FeatureLayer:
    """Feature maps inside a network. name: the last weights before them; shape: channels, height, width."""

    tensor: str
    name: str
    shape: tuple[int, int, int]

    def __str__(self) -> str:
        channels, height, width = self.shape
        return f"{channels} maps of {height}×{width}, after {self.name}"


class Graph:
    """Reads the network in `path`, fp32, and runs parts of it with ONNX Runtime on the CPU."""

    def __init__(self, path: Path) -> None:
        self.model = onnx.load(path)
        self.nodes: Sequence[onnx.NodeProto] = self.model.graph.node
        self.producer = {output: node for node in self.nodes for output in node.output}

    @cached_property
    def constants(self) -> dict[str, NDArray[np.generic]]:
        """Weights and other numbers that do not depend on the image."""
        values = {tensor.name: tensor for tensor in self.model.graph.initializer}
        values |= {node.output[0]: node.attribute[0].t for node in self.nodes if node.op_type == "Constant"}
        return {name: numpy_helper.to_array(value) for name, value in values.items()}

    def compute(self, tensors: Sequence[str], images: Pixels) -> list[Floats]:
        """Return the values [N, ...] of each tensor for uint8 [N, H, W, C]."""
        session = self._session(tensors)
        size = self.model.graph.input[0].type.tensor_type.shape.dim[0].dim_value or _BATCH  # 1 where it is not free
        parts = [
            session.run(list(tensors), {INPUT: images[start : start + size]}) for start in range(0, len(images), size)
        ]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def _session(self, tensors: Sequence[str]) -> onnxruntime.InferenceSession:
        opened = onnx.ModelProto()
        opened.CopyFrom(self.model)
        outputs = {output.name for output in opened.graph.output}
        opened.graph.output.extend(
            onnx.ValueInfoProto(name=name) for name in dict.fromkeys(tensors) if name not in outputs
        )
        return onnxruntime.InferenceSession(opened.SerializeToString(), providers=["CPUExecutionProvider"])

    @cached_property
    def penultimate(self) -> str:
        """The tensor [N, F] that the last linear layer reads; the logits themselves where there is no such layer."""
        tensor = LOGITS
        while (node := self.producer.get(tensor)) is not None:
            if node.op_type in {"Gemm", "MatMul"}:
                return str(node.input[0])
            tensor = next((name for name in node.input if name in self.producer), "")
        return LOGITS

    @cached_property
    def first_filters(self) -> Floats | None:
        """Weights [F, C, h, w] of the first convolution, or None."""
        node = next((node for node in self.nodes if node.op_type == "Conv"), None)
        weights = None if node is None else self.constants.get(node.input[1])
        return None if weights is None or weights.ndim != 4 else weights.astype(np.float32)

    def layers(self, image: Pixels) -> list[FeatureLayer]:
        """Return all feature maps that an activation, a sum or a pooling computes, in the order of computation.

        image: uint8 [H, W, C]. The input of an activation is left out: its output is shown instead.
        """
        names = self._weights_before()
        values = self.compute(list(names), image[None]) if names else []
        found = (FeatureLayer(tensor, names[tensor], _maps(value)) for tensor, value in zip(names, values, strict=True))
        return [layer for layer in found if layer.shape[0] > image.shape[2] and layer.shape[1] * layer.shape[2] > 1]

    def before_activation(self, layer: FeatureLayer) -> str:
        """Return the input of the layer's activation, which has a gradient also where the activation is constant."""
        node = self.producer[layer.tensor]
        return str(node.input[0]) if node.op_type in _ACTIVATIONS else layer.tensor

    def _weights_before(self) -> dict[str, str]:
        """Return tensor -> name of the last weights before it, for the candidates of `layers`."""
        read_by: dict[str, set[str]] = {}
        for node in self.nodes:
            for name in node.input:
                read_by.setdefault(name, set()).add(node.op_type)
        last, names = "", {}
        for node in self.nodes:
            last = next((name for name in node.input[1:2] if node.op_type == "Conv" and name in self.constants), last)
            (output, *_) = node.output
            if last and node.op_type in _ENDS and output != CLASS_MAP:
                names[output] = last.removesuffix(".weight")
        return {name: last for name, last in names.items() if not read_by.get(name, set()) <= _ACTIVATIONS}


def spread(layers: Sequence[FeatureLayer], count: int) -> list[FeatureLayer]:
    """Return at most `count` layers, evenly from the first to the last."""
    places = np.linspace(0, len(layers) - 1, min(count, len(layers)))
    return [layers[index] for index in places.round().astype(int)]


def _maps(value: Floats) -> tuple[int, int, int]:
    """Return channels, height and width of [1, C, h, w], or zeros for any other rank."""
    return (value.shape[1], value.shape[2], value.shape[3]) if value.ndim == 4 else (0, 0, 0)
