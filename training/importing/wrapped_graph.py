"""The graph of a bundle around the nodes of an ONNX file: from uint8 pixels to logits and probabilities."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.contract import CLASS_MAP, INPUT, LOGITS, PROBABILITIES, Task
from training.importing.batch_freeing import free_batch
from training.importing.float16_widening import widen
from training.importing.network_input import Layout, NetworkInput
from training.importing.network_output import NetworkOutput, ScoreKind
from training.importing.normalization import ChannelOrder, Normalization
from training.importing.onnx_file import OnnxFile
from training.importing.tensor_names import keep_only, list_weights, rename

_PREFIX = "snellen_"
"""Prefix of the tensors that are added."""
_RENAMED = {name: f"original_{name}" for name in (INPUT, LOGITS, PROBABILITIES, CLASS_MAP)}
"""Other names for tensors of the file that have a name of the contract."""
_BATCH = "N"
_LEAST_PROBABILITY, _LEAST_SIGMOID = 1e-12, 1e-6
"""The smallest probability whose logarithm is taken; that of a sigmoid also stays as far below 1."""
_CLIP_BY_INPUTS_OPSET = 11
"""Since this opset Clip takes its limits as inputs, before it as attributes."""
_Step = tuple[str, list[str], dict[str, Any]]
"""Operator, inputs after the first, and attributes of a node."""
_LOG: _Step = ("Log", [], {})


class WrappedGraph(NamedTuple):
    """The graph of a bundle.

    float16: whether the file had float16 tensors, which are float32 now. log_probabilities: whether the logits are
    logarithms of the network's probabilities, for want of others.
    """

    model: onnx.ModelProto
    float16: bool
    log_probabilities: bool


def wrap(
    file: OnnxFile,
    network_input: NetworkInput,
    normalization: Normalization,
    output: NetworkOutput,
    *,
    one_at_a_time: bool = False,
) -> WrappedGraph:
    """Return the graph that the contract asks for, with the opset and the IR version of the file.

    Float16 becomes float32. Where one image at a time was exported, shapes are freed for several, unless
    `one_at_a_time`; the graph then takes exactly one image.
    """
    model = onnx.ModelProto()
    model.CopyFrom(file.model)
    graph = model.graph
    rename(graph, _RENAMED)
    float16 = widen(model) > 0
    if network_input.fixed_batch and not one_at_a_time:
        free_batch(graph)
    wrapper = _Wrapper(graph, file.opset)
    before = wrapper.before(_RENAMED.get(network_input.name, network_input.name), network_input, normalization)
    after = wrapper.after(_RENAMED.get(output.name, output.name), output)
    nodes = [*before, *graph.node, *after]
    for field in (graph.node, graph.value_info, graph.output):
        del field[:]
    graph.node.extend(nodes)
    keep_only(graph, {LOGITS, PROBABILITIES})
    batch = 1 if one_at_a_time else _BATCH
    _declare(graph, network_input, output, batch)
    list_weights(model)
    return WrappedGraph(model, float16, any(node.op_type == "Log" for node in after))


def count_parameters(graph: onnx.GraphProto) -> int:
    """Return how many numbers the network has as weights, at least 1; sizes and axes are none."""
    weights = (
        tensor
        for tensor in graph.initializer
        if tensor.data_type != TensorProto.INT64 and not tensor.name.startswith(_PREFIX)
    )
    return max(1, sum(int(math.prod(tensor.dims)) for tensor in weights))


class _Wrapper:
    """Makes the nodes before and after the network, and adds their constants to the graph."""

    def __init__(self, graph: onnx.GraphProto, opset: int) -> None:
        self._graph, self._opset = graph, opset

    def before(self, name: str, network_input: NetworkInput, normalization: Normalization) -> list[onnx.NodeProto]:
        """Return the nodes from the pixels to the input `name` of the network."""
        steps = list[_Step]()
        if normalization.order is ChannelOrder.BGR:
            steps.append(("Gather", [self._constant("bgr", np.array([2, 1, 0], np.int64))], {"axis": 3}))
        if network_input.kind != "uint8":
            steps.append(("Cast", [], {"to": TensorProto.FLOAT}))
        if network_input.layout is Layout.NCHW:
            steps.append(("Transpose", [], {"perm": [0, 3, 1, 2]}))
        mean, std = np.array(normalization.mean), np.array(normalization.std)
        axes = (-1, 1, 1) if network_input.layout is Layout.NCHW else (-1,)
        if mean.any():
            steps.append(("Sub", [self._constant("mean", mean.astype(np.float32).reshape(axes))], {}))
        if (std != 1).any():
            steps.append(("Mul", [self._constant("factor", (1 / std).astype(np.float32).reshape(axes))], {}))
        return _chain(INPUT, steps or [("Identity", [], {})], name)

    def after(self, name: str, output: NetworkOutput) -> list[onnx.NodeProto]:
        """Return the nodes from the output `name` of the network to logits and probabilities."""
        inverse = list[_Step]()
        if output.kind is ScoreKind.PROBABILITIES and (before := self._before_last(name, output)):
            name = before
        elif output.kind is ScoreKind.PROBABILITIES:
            inverse = self._inverse_sigmoid() if output.sigmoid else [self._clip(_LEAST_PROBABILITY, 1.0), _LOG]
        steps = [*self._flat(output), *self._as_float(name), *inverse]
        if output.binary:
            steps.append(("Mul", [self._constant("second", np.array([[0, 1]], np.float32))], {}))  # logits 0 and z
        return [*_chain(name, steps or [("Identity", [], {})], LOGITS), _last(output)]

    def _flat(self, output: NetworkOutput) -> list[_Step]:
        return [("Flatten", [], {"axis": 1})] if output.axes > 2 else []

    def _as_float(self, name: str) -> list[_Step]:
        """Return a conversion to float32, except where the output is that already."""
        value = next((each for each in self._graph.output if each.name == name), None)
        known = value is not None and value.type.tensor_type.elem_type == TensorProto.FLOAT
        return [] if known else [("Cast", [], {"to": TensorProto.FLOAT})]

    def _clip(self, least: float, most: float) -> _Step:
        if self._opset < _CLIP_BY_INPUTS_OPSET:
            return "Clip", [], {"min": least, "max": most}
        limits = [
            self._constant("least", np.array(least, np.float32)),
            self._constant("most", np.array(most, np.float32)),
        ]
        return "Clip", limits, {}

    def _inverse_sigmoid(self) -> list[_Step]:
        """Return the steps from p to log(p / (1 - p)), which is -log(1 / p - 1)."""
        one = self._constant("one", np.array(1, np.float32))
        clip = self._clip(_LEAST_SIGMOID, 1 - _LEAST_SIGMOID)
        return [clip, ("Reciprocal", [], {}), ("Sub", [one], {}), _LOG, ("Neg", [], {})]

    def _before_last(self, name: str, output: NetworkOutput) -> str | None:
        """Return what the last softmax or sigmoid takes; None where the output comes from another operator."""
        makers = {made: node for node in self._graph.node for made in node.output}
        while (node := makers.get(name)) is not None and node.op_type in ("Identity", "Cast"):
            name = node.input[0]
        if node is None or node.op_type != ("Sigmoid" if output.sigmoid else "Softmax"):
            return None
        if output.sigmoid:
            return str(node.input[0])
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
        return str(node.input[0]) if output.axes == 2 and axis in (1, -1) else None

    def _constant(self, name: str, values: NDArray[np.generic]) -> str:
        self._graph.initializer.append(numpy_helper.from_array(values, _PREFIX + name))
        return _PREFIX + name


def _last(output: NetworkOutput) -> onnx.NodeProto:
    """Return the node from logits to probabilities. The softmax of logits 0 and z holds the sigmoid of z."""
    if output.task is Task.MULTILABEL:
        return helper.make_node("Sigmoid", [LOGITS], [PROBABILITIES])
    return helper.make_node("Softmax", [LOGITS], [PROBABILITIES], axis=1)


def _chain(first: str, steps: Sequence[_Step], last: str) -> list[onnx.NodeProto]:
    """Return nodes of which each reads the one before; a step is operator, further inputs and attributes."""
    names = [first, *(f"{_PREFIX}{last}_{index}" for index in range(1, len(steps))), last]
    return [
        helper.make_node(operator, [names[index], *more], [names[index + 1]], **attributes)
        for index, (operator, more, attributes) in enumerate(steps)
    ]


def _declare(graph: onnx.GraphProto, network_input: NetworkInput, output: NetworkOutput, batch: int | str) -> None:
    """Write the inputs and outputs of the contract into the graph. batch: number of images, or a name for any."""
    shape: list[str | int | None] = [batch, network_input.height, network_input.width, network_input.channels]
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.UINT8, shape))
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, output.classes])
        for name in (PROBABILITIES, LOGITS)
    )
