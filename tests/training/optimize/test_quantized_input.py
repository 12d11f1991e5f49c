"""int8 graphs take pixels as they are: nothing is computed in float before the first quantized layer."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from models.contract import CLASS_MAP, INPUT, PROBABILITIES
from tests.training.optimize.scaled_graphs import FLOAT_STEPS, SCALINGS, SIDE, Case, exported, operators, run
from training.evaluation.agreement import total_variation
from training.evaluation.onnx_session import open_session, predict
from training.onnx_graph.editing import GraphEditor
from training.optimize.quantized_input import quantize_input


@pytest.fixture(params=SCALINGS, scope="module")
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return exported(tmp_path_factory.mktemp("case"), SCALINGS[request.param])


def test_the_prepared_graph_computes_the_same(case: Case) -> None:
    """One mean and factor for all channels, in float still: the padding, too, is what it was."""
    prepared = case.model()
    assert quantize_input(prepared) is not None
    onnx.checker.check_model(prepared, full_check=True)
    np.testing.assert_allclose(run(prepared, case.images), run(case.model(), case.images), atol=1e-5)


def test_a_pixel_is_its_own_quantized_value(case: Case) -> None:
    """Quantizing the scaled pixels would give back every one of the 256, so leaving it out changes nothing."""
    prepared = case.model()
    pixels = quantize_input(prepared)
    assert pixels is not None
    edit = GraphEditor(prepared)
    values = np.arange(256, dtype=np.uint8)
    mean, factor = (np.float32(edit.floats(name)) for name in ("pixels_mean", "pixels_factor"))
    scaled = (values.astype(np.float32) - mean) * factor
    np.testing.assert_array_equal(np.round(scaled / pixels.scale) + pixels.zero_point, values)


def test_nothing_is_computed_in_float_before_the_first_layer(case: Case, tmp_path: Path) -> None:
    """Neither in the file nor in what onnxruntime makes of it, where an integer convolution takes the uint8."""
    assert not FLOAT_STEPS & operators(onnx.load(case.int8))
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3  # of a file that only this machine can run
    onnxruntime.InferenceSession(case.int8, options, providers=["CPUExecutionProvider"])
    nodes = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert set(nodes[: nodes.index("QLinearConv")]) <= {"Transpose", "Pad", "Reshape"}


def test_int8_is_close_to_fp32(case: Case) -> None:
    """Whatever the means are."""
    probabilities = predict(open_session(case.int8), case.images)
    assert total_variation(run(case.model(), case.images), probabilities).max() < 0.01


def test_a_first_layer_in_float_keeps_its_scaling(case: Case, tmp_path: Path) -> None:
    """The search for sensitive layers leaves some in float; the first may be among them."""
    case.quantizer.quantize(case.quantizer.layers[1:], tmp_path / "one.onnx")
    assert {"Cast", "Sub", "Mul"} <= operators(onnx.load(tmp_path / "one.onnx"))
    probabilities = predict(open_session(tmp_path / "one.onnx"), case.images)
    assert total_variation(run(case.model(), case.images), probabilities).max() < 0.01


def test_larger_images_get_a_larger_class_map(case: Case) -> None:
    """Height and width stay free."""
    images = np.random.default_rng(2).integers(0, 256, (2, SIDE + 8, SIDE + 14, case.images.shape[3]), dtype=np.uint8)
    maps = [open_session(path).run([CLASS_MAP, PROBABILITIES], {INPUT: images})[0] for path in (case.path, case.int8)]
    assert maps[1].shape == (2, 5, (SIDE + 8) // 2, (SIDE + 14) // 2)
    assert np.abs(maps[1] - maps[0]).mean() < 0.05 * maps[0].std()


@pytest.mark.parametrize("name", ["one whole mean", "a mean for each channel", "grey"])
def test_both_sides_of_a_mirrored_network_take_pixels(name: str, tmp_path: Path) -> None:
    """They share weights, which are changed once, and norms, which PyTorch leaves there for that reason."""
    mirror = exported(tmp_path, SCALINGS[name], mirror=True)
    assert "BatchNormalization" in operators(mirror.model())
    assert not FLOAT_STEPS & operators(onnx.load(mirror.int8))
    probabilities = predict(open_session(mirror.int8), mirror.images)
    assert total_variation(run(mirror.model(), mirror.images), probabilities).max() < 0.01
