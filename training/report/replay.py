"""An ONNX graph in PyTorch operations, so that what it computes has gradients. It knows what our CNNs are made of."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

from models.contract import INPUT, Pixels
from training.report.errors import ReportError
from training.report.graph import Graph

Attributes = Mapping[str, Any]
Operator = Callable[..., Tensor]
PARITY = 1e-3
"""Largest difference from ONNX Runtime, as a share of the largest value of the tensor."""


class Replay:
    """Computes one tensor of a graph. Raises ReportError for an operator that is not in the table below."""

    def __init__(self, graph: Graph, tensor: str) -> None:
        self._graph, self._tensor = graph, tensor
        self._nodes = _needed(graph, tensor)
        unknown = sorted({node.op_type for node in self._nodes} - _OPERATORS.keys())
        if unknown:
            raise ReportError(f"this network has operators without a gradient here: {', '.join(unknown)}")
        read = {name for node in self._nodes for name in node.input}
        self._constants = {name: _tensor(value) for name, value in graph.constants.items() if name in read}

    def __call__(self, image: Tensor, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """The tensor for pixels of 0 to 255, of any number type, [N, H, W, C].

        `weights` take the place of the graph's own of the same names, so that they can learn.
        """
        values: dict[str, Tensor | None] = {**self._constants, **(weights or {}), INPUT: image, "": None}
        for node in self._nodes:
            attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
            values[node.output[0]] = _OPERATORS[node.op_type](attributes, *(values[name] for name in node.input))
        result = values[self._tensor]
        assert result is not None
        return result

    def check(self, images: Pixels) -> float:
        """Relative difference from ONNX Runtime on uint8 [N, H, W, C]. Raises ReportError above PARITY."""
        (expected,) = self._graph.compute([self._tensor], images)
        with torch.inference_mode():
            replayed = self(torch.tensor(images)).numpy()
        difference = float(np.abs(replayed - expected).max() / max(np.abs(expected).max(), 1e-9))
        if not difference <= PARITY:
            raise ReportError(f"replayed in PyTorch, {self._tensor} is off by {difference:.1e} of its largest value")
        return difference


def _tensor(value: NDArray[np.generic]) -> Tensor:
    """Filters with their channels last, which is faster on a CPU."""
    tensor = torch.tensor(value)
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def _needed(graph: Graph, tensor: str) -> list[onnx.NodeProto]:
    """The nodes that `tensor` depends on, in the order of computation."""
    wanted, nodes = {tensor}, []
    for node in reversed(graph.nodes):
        if wanted & set(node.output) and node.op_type != "Constant":
            wanted |= set(node.input)
            nodes.append(node)
    return nodes[::-1]


def _padded(a: Attributes, x: Tensor, value: float = 0.0) -> Tensor:
    top, left, bottom, right = a.get("pads", (0, 0, 0, 0))
    return F.pad(x, (left, right, top, bottom), value=value)


def _conv(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    strides, dilations = tuple(a.get("strides", (1, 1))), tuple(a.get("dilations", (1, 1)))
    return F.conv2d(_padded(a, x), weight, bias, strides, 0, dilations, a.get("group", 1))


def _max_pool(a: Attributes, x: Tensor) -> Tensor:
    strides = tuple(a.get("strides", (1, 1)))
    return F.max_pool2d(_padded(a, x, -math.inf), tuple(a["kernel_shape"]), strides, ceil_mode=bool(a.get("ceil_mode")))


def _average_pool(a: Attributes, x: Tensor) -> Tensor:
    kernel, strides = tuple(a["kernel_shape"]), tuple(a.get("strides", (1, 1)))
    padding = tuple(a.get("pads", (0, 0)))[:2]
    return F.avg_pool2d(x, kernel, strides, padding, bool(a.get("ceil_mode")), bool(a.get("count_include_pad")))


def _gemm(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    left, right = x.T if a.get("transA") else x, weight.T if a.get("transB") else weight
    alpha, beta = float(a.get("alpha", 1.0)), float(a.get("beta", 1.0))
    return alpha * (left @ right) + beta * bias


def _batch_norm(a: Attributes, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return F.batch_norm(x, mean, variance, scale, bias, eps=a.get("epsilon", 1e-5))


def _layer_norm(a: Attributes, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.layer_norm(x, x.shape[a.get("axis", -1) :], scale, bias, a.get("epsilon", 1e-5))


def _reshape(_: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    return x.reshape([x.shape[axis] if size == 0 else size for axis, size in enumerate(shape.tolist())])


def _slice(_: Attributes, x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor, steps: Tensor) -> Tensor:
    """PyTorch has no backward steps: the places are counted out by Python, whose slices mean the same."""
    for start, end, axis, step in torch.stack((starts, ends, axes, steps), 1).tolist():
        places = range(x.shape[axis])[start:end:step]
        x = x.index_select(axis, torch.tensor(places))
    return x


def _local_response_norm(a: Attributes, x: Tensor) -> Tensor:
    return F.local_response_norm(x, a["size"], a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0))


_OPERATORS: dict[str, Operator] = {
    "Add": lambda _, x, y: x + y,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": lambda _, x: x.float(),
    "Clip": lambda _, x, low=None, high=None: x.clamp(low, high),
    "Concat": lambda a, *parts: torch.cat(parts, a["axis"]),
    "Conv": _conv,
    "Div": lambda _, x, y: x / y,
    "Elu": lambda a, x: F.elu(x, a.get("alpha", 1.0)),
    "Erf": lambda _, x: x.erf(),
    "Flatten": lambda a, x: x.reshape(math.prod(x.shape[: a.get("axis", 1)]), -1),
    "Gelu": lambda a, x: F.gelu(x, approximate=a.get("approximate", b"none").decode()),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda _, x: x.mean((2, 3), keepdim=True),
    "HardSigmoid": lambda a, x: (a.get("alpha", 0.2) * x + a.get("beta", 0.5)).clamp(0, 1),
    "HardSwish": lambda _, x: F.hardswish(x),
    "Identity": lambda _, x: x,
    "LRN": _local_response_norm,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda a, x: F.leaky_relu(x, a.get("alpha", 0.01)),
    "MatMul": lambda _, x, y: x @ y,
    "MaxPool": _max_pool,
    "Mul": lambda _, x, y: x * y,
    "ReduceMean": lambda a, x, axes: x.mean(axes.tolist(), keepdim=bool(a.get("keepdims", 1))),
    "Relu": lambda _, x: x.relu(),
    "Reshape": _reshape,
    "Sigmoid": lambda _, x: x.sigmoid(),
    "Slice": _slice,
    "Softmax": lambda a, x: x.softmax(a.get("axis", -1)),
    "Sub": lambda _, x, y: x - y,
    "Tanh": lambda _, x: x.tanh(),
    "Transpose": lambda a, x: x.permute(a["perm"]),
}
