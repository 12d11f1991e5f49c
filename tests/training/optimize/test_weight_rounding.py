"""Weights on the grid of int8 whose outputs stay near those of fp32."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.contract import INPUT
from training.evaluation.onnx_session import open_session
from training.optimize.weight_rounding import LARGEST, find_convolutions, round_rows, round_weights

SIDE, CHANNELS = 12, 8
Floats = NDArray[np.float32]


def graph() -> onnx.ModelProto:
    """A convolution of strides, a depthwise one with padding, one of two groups, and one without a bias."""
    random = np.random.default_rng(0)
    shapes = {
        "a": (CHANNELS, 3, 3, 3),
        "b": (CHANNELS, 1, 3, 3),
        "c": (CHANNELS, 4, 1, 1),
        "d": (CHANNELS, CHANNELS, 1, 1),
    }
    weights = {name: random.normal(size=shape) for name, shape in shapes.items()}
    biases = {f"{name}.bias": random.normal(size=CHANNELS) for name in "abc"}
    nodes = [
        helper.make_node("Cast", [INPUT], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["x"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["x", "a", "a.bias"], ["y1"], strides=[2, 1], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["y1"], ["r1"]),
        helper.make_node("Conv", ["r1", "b", "b.bias"], ["y2"], group=CHANNELS, pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["y2"], ["r2"]),
        helper.make_node("Conv", ["r2", "c", "c.bias"], ["y3"], group=2, kernel_shape=[1, 1]),
        helper.make_node("Conv", ["y3", "d"], ["y4"], kernel_shape=[1, 1]),
        helper.make_node("Identity", ["y4"], ["end"]),
    ]
    tensors = [numpy_helper.from_array(each.astype(np.float32), name) for name, each in (weights | biases).items()]
    image = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", SIDE, SIDE, 3])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("r1", "r2", "end")]
    made = helper.make_graph(nodes, "four", [image], ends, tensors)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def pictures(count: int, seed: int) -> NDArray[np.uint8]:
    """Smooth pictures, in which neighbouring pixels are alike, as in photographs."""
    noise = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3))
    return noise.repeat(3, axis=1).repeat(3, axis=2).astype(np.uint8)


def outputs(model: onnx.ModelProto, folder: Path, name: str) -> Floats:
    onnx.save(model, folder / "model.onnx")
    return np.asarray(open_session(folder / "model.onnx").run([name], {INPUT: pictures(20, seed=9)})[0])


def nearest(model: onnx.ModelProto, names: str) -> onnx.ModelProto:
    """The weights rounded to the nearest value of the same grid."""
    for tensor in model.graph.initializer:
        if tensor.name in names:
            values = numpy_helper.to_array(tensor)
            step = np.abs(values).max(axis=(1, 2, 3), keepdims=True) / LARGEST
            tensor.CopyFrom(numpy_helper.from_array((np.round(values / step) * step).astype(np.float32), tensor.name))
    return model


@pytest.fixture(scope="module")
def rounded() -> onnx.ModelProto:
    model = graph()
    round_weights(model, pictures(40, seed=1), lambda _: None)
    return model


def test_convolutions_that_suit_are_found() -> None:
    """Neither grouped ones nor those without a bias."""
    assert [(each.weight, each.depthwise, each.kernel) for each in find_convolutions(graph())] == [
        ("a", False, (3, 3)),
        ("b", True, (3, 3)),
    ]


def test_a_bias_that_others_read_too_is_left_as_it_is() -> None:
    """Exporters keep equal tensors once, and a bias that fits one convolution would be wrong for the other."""
    model = graph()
    model.graph.node[4].input[2] = "a.bias"
    assert [each.weight for each in find_convolutions(model)] == []


def test_groups_of_several_channels_are_left_as_they_are() -> None:
    """Also where there are as many groups as outputs."""
    model = graph()
    weight = next(each for each in model.graph.initializer if each.name == "b")
    weight.CopyFrom(numpy_helper.from_array(np.ones((CHANNELS // 2, 2, 3, 3), np.float32), "b"))
    next(each for each in model.graph.node[4].attribute if each.name == "group").i = CHANNELS // 2
    assert [each.weight for each in find_convolutions(model)] == ["a"]


def test_weights_lie_on_the_grid_that_a_quantizer_finds(rounded: onnx.ModelProto) -> None:
    """Multiples of a 127th of the largest weight of each channel, which keeps its value; others keep theirs."""
    before, after = (
        {each.name: numpy_helper.to_array(each) for each in made.graph.initializer} for made in (graph(), rounded)
    )
    for name in ("a", "b"):
        step = np.abs(before[name]).max(axis=(1, 2, 3), keepdims=True) / LARGEST
        np.testing.assert_allclose(np.abs(after[name]).max(axis=(1, 2, 3)), step.ravel() * LARGEST, rtol=1e-6)
        levels = after[name] / step
        np.testing.assert_allclose(levels, np.round(levels), atol=1e-3)
        assert not np.array_equal(after[f"{name}.bias"], before[f"{name}.bias"])
    for name in ("c", "c.bias", "d"):
        np.testing.assert_array_equal(after[name], before[name])


@pytest.mark.parametrize(("name", "factor"), [("r1", 4), ("r2", 1.5)])
def test_outputs_on_other_images_are_nearer_than_with_the_nearest_weights(
    rounded: onnx.ModelProto, name: str, factor: float, tmp_path: Path
) -> None:
    """The aim of it all: less squared error, and less of a mean error. A depthwise convolution has few weights."""
    wanted = outputs(graph(), tmp_path, name)
    error, plain = (outputs(each, tmp_path, name) - wanted for each in (rounded, nearest(graph(), "ab")))
    assert np.square(error).mean() < np.square(plain).mean() / factor
    assert np.abs(error.mean(axis=(0, 2, 3))).mean() < np.abs(plain.mean(axis=(0, 2, 3))).mean()


def test_weights_that_no_image_uses_are_rounded_to_the_nearest() -> None:
    """Inputs of zero say nothing about them, and the numbers stay finite."""
    rows = np.array([[1.0, 0.503, -0.2, 0.7]])
    moments = np.zeros((4, 4))
    moments[-1, -1] = 1
    found = round_rows(rows, moments, np.zeros((1, 4)))
    np.testing.assert_allclose(found, [[1, 64 / 127, -25 / 127, 0.7]], atol=1e-9)
