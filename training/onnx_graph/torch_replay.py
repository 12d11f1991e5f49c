"""An ONNX graph computed with PyTorch operations, so that it has gradients."""

from collections.abc import Mapping

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper
from torch import Tensor

from models.contract import INPUT, Pixels
from training.errors import ReportError
from training.onnx_graph.graph import Graph
from training.onnx_graph.torch_operators import OPERATORS

PARITY = 1e-3
"""Largest allowed difference from ONNX Runtime, as a share of the largest value of the tensor."""


class TorchReplay:
    """Computes one tensor of a graph. Raises ReportError for an operator that is not in the table OPERATORS."""

    def __init__(self, graph: Graph, tensor: str) -> None:
        self._graph, self._tensor = graph, tensor
        self._nodes = _needed(graph, tensor)
        unknown = sorted({node.op_type for node in self._nodes} - OPERATORS.keys())
        if unknown:
            raise ReportError(f"this network has operators without a gradient here: {', '.join(unknown)}")
        read = {name for node in self._nodes for name in node.input}
        self._constants = {name: _tensor(value) for name, value in graph.constants.items() if name in read}

    def __call__(self, image: Tensor, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return the tensor for pixels of 0 to 255, of any number type, [N, H, W, C].

        weights: replace the graph's own weights of the same names, so that they can be trained.
        """
        values: dict[str, Tensor | None] = {**self._constants, **(weights or {}), INPUT: image, "": None}
        for node in self._nodes:
            attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
            values[node.output[0]] = OPERATORS[node.op_type](attributes, *(values[name] for name in node.input))
        result = values[self._tensor]
        assert result is not None
        return result

    def check(self, images: Pixels) -> float:
        """Return the relative difference from ONNX Runtime on uint8 [N, H, W, C]. Raises ReportError above PARITY."""
        (expected,) = self._graph.compute([self._tensor], images)
        with torch.inference_mode():
            replayed = self(torch.tensor(images)).numpy()
        difference = float(np.abs(replayed - expected).max() / max(np.abs(expected).max(), 1e-9))
        if not difference <= PARITY:
            raise ReportError(f"replayed in PyTorch, {self._tensor} is off by {difference:.1e} of its largest value")
        return difference


def _tensor(value: NDArray[np.generic]) -> Tensor:
    """Return a tensor with channels last for filters, which is faster on a CPU."""
    tensor = torch.tensor(value)
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def _needed(graph: Graph, tensor: str) -> list[onnx.NodeProto]:
    """Return the nodes that `tensor` depends on, in the order of computation."""
    wanted, nodes = {tensor}, []
    for node in reversed(graph.nodes):
        if wanted & set(node.output) and node.op_type != "Constant":
            wanted |= set(node.input)
            nodes.append(node)
    return nodes[::-1]
