"""The graph of a bundle around the nodes of an ONNX file."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from models.contract import INPUT, LOGITS, PROBABILITIES
from tests.support.onnx_files import (
    FLOAT16,
    KERAS_BINARY,
    NCHW_LOGITS,
    NHWC_SOFTMAX,
    OPSET_7,
    OPSET_11,
    SIDE,
    SIGMOID,
    SIGMOID_BY_HAND,
    STATIC_BATCH,
    TWO_OUTPUTS,
    UINT8,
    write_onnx,
)
from training.importing.guesses import Guess
from training.importing.network_input import find_input
from training.importing.network_output import find_output
from training.importing.normalization import Preset, choose_normalization
from training.importing.onnx_file import read_onnx
from training.importing.original_graph import OriginalGraph, network_values
from training.importing.wrapped_graph import WrappedGraph, count_parameters, wrap


def ignore(_: Guess) -> None:
    pass


def wrapped(
    folder: Path, text: str, preset: Preset | None = None, output: str | None = None, classes: int = 3
) -> WrappedGraph:
    path = write_onnx(folder / "model.onnx", text)
    file = read_onnx(path)
    network_input = find_input(file, ignore)
    normalization = choose_normalization(file, network_input, ignore, preset=preset)
    original = OriginalGraph(path)
    pictures = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)
    values = [original.run(network_values(picture[None], network_input, normalization)) for picture in pictures]
    return wrap(
        file, network_input, normalization, find_output(values, ignore, path=path, name=output, classes=classes)
    )


def operators(graph: WrappedGraph) -> list[str]:
    return [node.op_type for node in graph.model.graph.node]


@pytest.mark.parametrize(
    "text",
    [NCHW_LOGITS, NHWC_SOFTMAX, STATIC_BATCH, FLOAT16, TWO_OUTPUTS, UINT8, OPSET_11, SIGMOID_BY_HAND, KERAS_BINARY],
)
def test_the_graph_has_the_inputs_and_outputs_of_the_contract(tmp_path: Path, text: str) -> None:
    """And is valid, with the opset and the IR version of the file."""
    made = wrapped(tmp_path, text).model
    onnx.checker.check_model(made, full_check=True)
    assert [value.name for value in made.graph.input] == [INPUT]
    assert [value.name for value in made.graph.output] == [PROBABILITIES, LOGITS]
    original = onnx.load(tmp_path / "model.onnx")
    assert (made.ir_version, made.opset_import) == (original.ir_version, original.opset_import)


def test_an_old_graph_lists_its_weights_as_inputs(tmp_path: Path) -> None:
    """As IR version 3 wants it, the image first."""
    made = wrapped(tmp_path, OPSET_7).model
    onnx.checker.check_model(made, full_check=True)
    names = [value.name for value in made.graph.input]
    assert names[0] == INPUT
    assert set(names[1:]) == {tensor.name for tensor in made.graph.initializer}


def test_the_pixels_are_scaled_inside(tmp_path: Path) -> None:
    """Only by the steps that the network needs."""
    assert operators(wrapped(tmp_path, NCHW_LOGITS, Preset.CAFFE))[:4] == ["Gather", "Cast", "Transpose", "Sub"]
    assert operators(wrapped(tmp_path, NCHW_LOGITS, Preset.UNIT))[:3] == ["Cast", "Transpose", "Mul"]
    assert operators(wrapped(tmp_path, UINT8))[:2] == ["Identity", "Cast"]


def test_logits_come_from_before_the_softmax(tmp_path: Path) -> None:
    """Where the file ends in one; else they are logarithms."""
    keras = wrapped(tmp_path, NHWC_SOFTMAX)
    assert (operators(keras).count("Softmax"), keras.log_probabilities) == (1, False)
    old = wrapped(tmp_path, OPSET_11)
    assert (operators(old)[-3:], old.log_probabilities) == (["Clip", "Log", "Softmax"], True)


def test_logits_come_from_before_the_sigmoid(tmp_path: Path) -> None:
    """Where the file ends in one; else they are the inverse of it. One score becomes the logits 0 and z."""
    several = wrapped(tmp_path, SIGMOID)
    assert (operators(several).count("Sigmoid"), operators(several)[-1]) == (1, "Sigmoid")
    by_hand = operators(wrapped(tmp_path, SIGMOID_BY_HAND))
    assert by_hand[-6:] == ["Clip", "Reciprocal", "Sub", "Log", "Neg", "Sigmoid"]
    single = operators(wrapped(tmp_path, KERAS_BINARY, classes=2))
    assert (single[-2:], "Sigmoid" in single) == (["Mul", "Softmax"], False)


def test_other_outputs_and_names_of_the_contract_do_not_disturb(tmp_path: Path) -> None:
    """The file's own `image` and `logits` get other names; weights of another head are dropped."""
    graph = wrapped(tmp_path, TWO_OUTPUTS).model.graph
    assert "original_logits" in {name for node in graph.node for name in node.output}
    features = wrapped(tmp_path, TWO_OUTPUTS.replace("[batch, 12] f", "[batch, 12] f"), output="features").model.graph
    assert not {"w", "b"} & {tensor.name for tensor in features.initializer}


def test_float16_is_reported(tmp_path: Path) -> None:
    """It is compared less strictly."""
    assert wrapped(tmp_path, FLOAT16).float16
    assert not wrapped(tmp_path, NCHW_LOGITS).float16


def test_parameters_are_the_weights_of_the_network(tmp_path: Path) -> None:
    """Without shapes and without the scaling."""
    assert count_parameters(wrapped(tmp_path, STATIC_BATCH).model.graph) == 3 * 12 + 3
