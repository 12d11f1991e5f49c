"""A bundle whose network takes images of any size: two convolutions without padding, then a class map and its mean."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.contract import Dense, Pixels, Task
from tests.support.bundles import SIDE, write_bundle

STRIDE = 2
TEMPERATURE = 1.5
DENSE = Dense(stride=(STRIDE, STRIDE), window=(5, 5))
"""16 pixels -> 7 cells after a 3x3 convolution of stride 2 -> 5 after one of stride 1."""


def convolutional_graph(channels: int = 8, task: Task = Task.SINGLE) -> onnx.ModelProto:
    """Tells red, green and blue apart by its first three channels; the others are noise. Height and width are free."""
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["planes", "scale"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "first"], ["one"], strides=[STRIDE, STRIDE]),
        helper.make_node("Relu", ["one"], ["one_positive"]),
        helper.make_node("Conv", ["one_positive", "second"], ["two"]),
        helper.make_node("Relu", ["two"], ["features"]),
        helper.make_node("Conv", ["features", "last"], ["class_map"]),
        helper.make_node("ReduceMean", ["class_map", "axes"], ["means"], keepdims=0),
        helper.make_node("Add", ["means", "bias"], ["logits"]),
        helper.make_node("Div", ["logits", "temperature"], ["cooler"]),
        helper.make_node("Softmax", ["cooler"], ["probabilities"], axis=1)
        if task is Task.SINGLE
        else helper.make_node("Sigmoid", ["cooler"], ["probabilities"]),
    ]
    constants = {
        "scale": np.float32(1 / 255),
        "first": _kernel(channels, 3, 3),
        "second": _kernel(channels, channels, 3),
        "last": 5 * _kernel(3, channels, 1),
        "axes": np.array([2, 3], np.int64),
        "bias": np.array([0.3, -0.2, 0.1], np.float32),
        "temperature": np.float32(TEMPERATURE),
    }
    graph = helper.make_graph(
        nodes,
        "convolutions",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", "H", "W", 3])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 3]),
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3]),
            helper.make_tensor_value_info("class_map", TensorProto.FLOAT, ["N", 3, "h", "w"]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _kernel(out: int, into: int, side: int) -> NDArray[np.float32]:
    """Channel k passes on the mean of channel k, k < 3, and a little noise of all."""
    random = np.random.default_rng(seed=out + side)
    kernel = random.normal(0, 0.1 / side, (out, into, side, side)).astype(np.float32) / np.float32(np.sqrt(into / 3))
    for channel in range(3):
        kernel[channel, channel] += 1 / side**2
    return kernel


def write_dense_bundle(
    repository: Path,
    name: str = "dense",
    channels: int = 8,
    dense: Dense = DENSE,
    *,
    task: Task = Task.SINGLE,
    energy_threshold: float | None = None,
) -> Path:
    """Complete and valid, unless `dense` is not what the graph does."""
    graph = convolutional_graph(channels, task)
    return write_bundle(
        repository,
        name,
        graph=graph,
        temperature=TEMPERATURE,
        dense=dense,
        task=task,
        energy_threshold=energy_threshold,
    )


def noise(height: int, width: int) -> Pixels:
    """A picture without any repetition: uint8 [height, width, 3], left half reddish, right half bluish."""
    pixels = np.random.default_rng(seed=height * width).integers(0, 160, (height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] += 90
    pixels[:, width // 2 :, 2] += 90
    return pixels


def windows(pixels: Pixels) -> list[list[Pixels]]:
    """Every part of the input's size, a stride apart, row by row."""
    height, width = pixels.shape[:2]
    return [
        [pixels[top : top + SIDE, left : left + SIDE] for left in range(0, width - SIDE + 1, STRIDE)]
        for top in range(0, height - SIDE + 1, STRIDE)
    ]
