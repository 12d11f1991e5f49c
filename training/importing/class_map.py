"""The class map of an imported network: its last linear layer at every position, before the mean over all of them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from models.contract import CLASS_MAP, INPUT, LOGITS
from training.importing.network_input import Layout
from training.importing.tensor_names import constants, names_read

_PREFIX = f"snellen_{CLASS_MAP}_"
"""Prefix of the tensors that are added."""
_SAME_VALUES = {"Identity", "Cast", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose"}
"""Operators that at most rearrange the values of their first input."""
_AXES: dict[tuple[int, ...], Layout] = {(2, 3): Layout.NCHW, (1, 2): Layout.NHWC}
"""Axes of height and width, of four -> the order of the axes."""
_TO_NCHW = [0, 3, 1, 2]
_TOLERANCE = 1e-4
"""Largest difference between the mean of the map and the logits, as a share of the largest logit."""

DOES_NOT_FIT = "the last linear layer does not fit the maps of features before the mean"
"""Reason for a graph that cannot be loaded or run with its class map."""


class NoClassMapError(Exception):
    """Raised where a network has no class map. The message is the reason, for a line of the import's output."""


class _Linear(NamedTuple):
    """The last linear layer. data: tensor that it reads; weight [F, K], or [K, F] where `turned`; bias: may be empty.

    convolution: the layer where it is a convolution, which has weight and bias itself. factor: tensor [1, K] that the
    scores are multiplied with at last; may be empty.
    """

    data: str
    weight: str = ""
    bias: str = ""
    turned: bool = False
    convolution: NodeProto | None = None
    factor: str = ""

    @property
    def direct(self) -> bool:
        """Whether there is no linear layer: the scores are the mean itself."""
        return not self.weight and self.convolution is None


class _Features(NamedTuple):
    """What the mean over all positions reads: tensor and the order of its axes."""

    name: str
    layout: Layout


def add_class_map(model: onnx.ModelProto, classes: int) -> onnx.ModelProto:
    """Return a copy of the graph of a bundle that has the output `class_map` too, float32 [N, K, h, w].

    Taken are networks that end in a mean over height and width, in either order of the axes, and at most one linear
    layer behind it. The other outputs do not depend on the map. Whether its mean is the logits is for
    `check_class_map`. Raises NoClassMapError.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    search = _Search(graph)
    linear = search.linear(search.behind(LOGITS))
    features = search.features(search.behind(linear.data), direct=linear.direct)
    graph.node.extend(_map_nodes(linear, features))
    graph.output.append(helper.make_tensor_value_info(CLASS_MAP, TensorProto.FLOAT, [None, classes, None, None]))
    return changed


def check_class_map(session: onnxruntime.InferenceSession, pictures: NDArray[np.uint8]) -> tuple[int, int]:
    """Return height and width of the class map of a graph, in positions.

    pictures: uint8 [N, H, W, C]. Raises NoClassMapError where the graph cannot be run, the mean of the map over all
    positions differs from the logits, or there is one position only.
    """
    try:
        rows = [session.run([LOGITS, CLASS_MAP], {INPUT: picture[None]}) for picture in pictures]
    except Exception as error:  # onnxruntime's exceptions have no common base
        raise NoClassMapError(DOES_NOT_FIT) from error
    logits, maps = (np.concatenate(each).astype(np.float64) for each in zip(*rows, strict=True))
    if maps.ndim != 4 or maps.shape[:2] != logits.shape:
        raise NoClassMapError(f"it would have the shape {list(maps.shape)}")
    if not np.abs(maps.mean((2, 3)) - logits).max() <= _TOLERANCE * max(1, np.abs(logits).max()):
        raise NoClassMapError("the mean over all positions is not all that is before the last linear layer")
    if maps.shape[2:] == (1, 1):
        raise NoClassMapError("the features have one position only, which is the whole picture")
    return int(maps.shape[2]), int(maps.shape[3])


class _Search:
    """Looks backwards through a graph, from the scores to the features."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._makers = {output: node for node in graph.node for output in node.output}
        self._constants = constants(graph)
        self._varying = {INPUT}
        for node in graph.node:  # in topological order
            if not self._varying.isdisjoint(names_read(node)):
                self._varying.update(node.output)

    def behind(self, name: str) -> str:
        """Return the tensor whose values a tensor has, before those were only rearranged."""
        while (node := self._makers.get(name)) is not None and node.op_type in _SAME_VALUES:
            name = node.input[0]
        return name

    def linear(self, name: str) -> _Linear:
        """Return the linear layer that makes a tensor; one without weights where it is the mean itself."""
        node = self._makers.get(name)
        if node is not None and node.op_type == "Mul" and (parts := self._with_constant(node)):
            return self.linear(self.behind(parts[0]))._replace(factor=parts[1])
        if node is not None and node.op_type == "Gemm":
            return self._gemm(node)
        if node is not None and node.op_type == "Add" and (parts := self._with_constant(node)):
            product = self._makers.get(self.behind(parts[0]))
            if product is not None and product.op_type == "MatMul":
                return self._product(product)._replace(bias=parts[1])
        if node is not None and node.op_type == "MatMul":
            return self._product(node)
        if node is not None and node.op_type == "Conv":
            return _Linear(node.input[0], convolution=node)
        return _Linear(name)

    def features(self, name: str, *, direct: bool) -> _Features:
        """Return what the mean reads that makes a tensor. direct: the scores are this mean, without a linear layer."""
        node = self._makers.get(name)
        operator = "the input" if node is None else node.op_type
        if node is not None and operator in ("GlobalAveragePool", "AveragePool"):
            return _Features(node.input[0], Layout.NCHW)
        if node is not None and operator == "ReduceMean":
            axes = tuple(sorted(axis % 4 for axis in self._axes(node)))
            if axes in _AXES:
                return _Features(node.input[0], _AXES[axes])
            raise NoClassMapError(f"the last mean is over the axes {list(axes)}, which are not height and width")
        reader = "the scores come" if direct else "the input of the last linear layer comes"
        raise NoClassMapError(f"{reader} from {operator}, not from a mean over height and width")

    def _with_constant(self, node: NodeProto) -> tuple[str, str] | None:
        """Return the input of a node that depends on the picture and the one that does not; None if both do."""
        data, constant = sorted(node.input, key=lambda each: each not in self._varying)
        return None if constant in self._varying else (data, constant)

    def _gemm(self, node: NodeProto) -> _Linear:
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        plain = attributes.get("alpha", 1) == attributes.get("beta", 1) == 1 and not attributes.get("transA", 0)
        if not plain or not self._varying.isdisjoint(node.input[1:]):
            raise NoClassMapError("the last linear layer has factors or weights that depend on the picture")
        bias = node.input[2] if len(node.input) > 2 else ""
        return _Linear(node.input[0], node.input[1], bias, turned=bool(attributes.get("transB", 0)))

    def _product(self, node: NodeProto) -> _Linear:
        if node.input[1] in self._varying:
            raise NoClassMapError("the last product is not one with constant weights")
        return _Linear(node.input[0], node.input[1])

    def _axes(self, node: NodeProto) -> list[int]:
        """Return the axes of a mean: an attribute up to opset 17, an input from opset 18 on."""
        for attribute in node.attribute:
            if attribute.name == "axes":
                return list(attribute.ints)
        if len(node.input) > 1 and node.input[1] in self._constants:
            return [int(axis) for axis in numpy_helper.to_array(self._constants[node.input[1]]).reshape(-1)]
        return []


def _map_nodes(linear: _Linear, features: _Features) -> Iterator[NodeProto]:
    """Yield the nodes from the features to the class map."""
    nodes = _map_of_nchw if features.layout is Layout.NCHW else _map_of_nhwc
    if not linear.factor:
        yield from nodes(linear, features.name, CLASS_MAP)
        return
    yield from nodes(linear, features.name, f"{_PREFIX}plain")
    yield from _reshaped(linear.factor, f"{_PREFIX}factor", [1, -1, 1, 1])
    yield helper.make_node("Mul", [f"{_PREFIX}plain", f"{_PREFIX}factor"], [CLASS_MAP])


def _map_of_nchw(linear: _Linear, features: str, result: str) -> Iterator[NodeProto]:
    if linear.convolution is not None:
        node = NodeProto()
        node.CopyFrom(linear.convolution)
        node.name, node.input[0], node.output[:] = "", features, [result]
        yield node
        return
    if linear.direct:
        yield helper.make_node("Identity", [features], [result])
        return
    weight = linear.weight
    if not linear.turned:
        weight = f"{_PREFIX}turned"
        yield helper.make_node("Transpose", [linear.weight], [weight], perm=[1, 0])
    yield from _reshaped(weight, f"{_PREFIX}kernel", [0, 0, 1, 1])
    inputs = [features, f"{_PREFIX}kernel"]
    if linear.bias:
        yield from _reshaped(linear.bias, f"{_PREFIX}bias", [-1])
        inputs.append(f"{_PREFIX}bias")
    yield helper.make_node("Conv", inputs, [result])


def _map_of_nhwc(linear: _Linear, features: str, result: str) -> Iterator[NodeProto]:
    if linear.convolution is not None:
        raise NoClassMapError("the last layer is a convolution, but the mean has the channels last")
    name, weight = features, linear.weight
    if linear.turned:
        weight = f"{_PREFIX}turned"
        yield helper.make_node("Transpose", [linear.weight], [weight], perm=[1, 0])
    if weight:
        name = f"{_PREFIX}product"
        yield helper.make_node("MatMul", [features, weight], [name])
    if linear.bias:
        yield from _reshaped(linear.bias, f"{_PREFIX}bias", [-1])
        yield helper.make_node("Add", [name, f"{_PREFIX}bias"], [f"{_PREFIX}sum"])
        name = f"{_PREFIX}sum"
    yield helper.make_node("Transpose", [name], [result], perm=_TO_NCHW)


def _reshaped(name: str, new: str, shape: list[int]) -> Iterator[NodeProto]:
    """Yield the nodes that give a tensor another shape; 0 is the size that it has."""
    value = numpy_helper.from_array(np.array(shape, np.int64))
    yield helper.make_node("Constant", [], [f"{new}_shape"], value=value)
    yield helper.make_node("Reshape", [name, f"{new}_shape"], [new])
