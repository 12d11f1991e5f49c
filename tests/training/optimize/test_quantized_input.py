"""int8 graphs take pixels as they are: nothing is computed in float before the first quantized layer."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from models.contract import CLASS_MAP, INPUT, PROBABILITIES, Colour, Input, Pixels
from training.export.onnx_export import export, fixed_images, open_session, predict
from training.networks.exported_module import Scaling, ServedNetwork
from training.networks.flip_average import mirrored
from training.networks.network import Network
from training.onnx_graph.batchnorm_folding import fold_batch_norms
from training.onnx_graph.editing import Editing
from training.optimize.agreement import Rows, total_variation
from training.optimize.quantization import Quantizer
from training.optimize.quantized_input import quantize_pixels

SIDE = 20
SCALINGS = {
    "one whole mean": Scaling((127.0,) * 3, (128.0,) * 3),
    "black is zero": Scaling((0.0,) * 3, (255.0,) * 3),
    "one mean between pixels": Scaling((127.5,) * 3, (127.5,) * 3),
    "a mean for each channel": Scaling((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "means far apart": Scaling((10.0, 128.0, 250.0), (20.0, 60.0, 90.0)),
    "grey": Scaling((73.6371,), (90.106,)),
}
FLOAT_STEPS = {"Cast", "Sub", "Mul", "BatchNormalization"}


@dataclass(frozen=True)
class Case:
    """A graph of two convolutions that see padding, and images for it."""

    path: Path
    images: Pixels
    int8: Path
    quantizer: Quantizer

    def model(self) -> onnx.ModelProto:
        return onnx.load(self.path)


def body(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
    )


def exported(folder: Path, scaling: Scaling, *, mirror: bool = False) -> Case:
    """An untrained network whose norms have seen some pixels."""
    torch.manual_seed(0)
    channels = len(scaling.mean)
    network = Network(body(channels), nn.Linear(8, 5), pooled=True)
    images = np.random.default_rng(1).integers(0, 256, (24, SIDE, SIDE, channels), dtype=np.uint8)
    served = ServedNetwork(mirrored(network) if mirror else network, scaling)
    network.train()(((torch.from_numpy(images).permute(0, 3, 1, 2) - served.mean) * served.factor).contiguous())
    target = Input(colour=Colour.RGB if channels == 3 else Colour.L, height=SIDE, width=SIDE)
    export(served.eval(), target, folder / "model.onnx")
    images = np.concatenate((images, fixed_images(target)))
    quantizer = Quantizer(folder / "model.onnx", images, folder)
    quantizer.quantize(quantizer.layers, folder / "int8.onnx")
    return Case(folder / "model.onnx", images, folder / "int8.onnx", quantizer)


def run(model: onnx.ModelProto, images: Pixels) -> Rows:
    return predict(onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]), images)


def operators(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


@pytest.fixture(params=SCALINGS, scope="module")
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return exported(tmp_path_factory.mktemp("case"), SCALINGS[request.param])


def test_the_prepared_graph_computes_the_same(case: Case) -> None:
    """One mean and factor for all channels, in float still: the padding, too, is what it was."""
    prepared = case.model()
    assert quantize_pixels(prepared) is not None
    onnx.checker.check_model(prepared, full_check=True)
    np.testing.assert_allclose(run(prepared, case.images), run(case.model(), case.images), atol=1e-5)


def test_a_pixel_is_its_own_quantized_value(case: Case) -> None:
    """Quantizing the scaled pixels would give back every one of the 256, so leaving it out changes nothing."""
    prepared = case.model()
    pixels = quantize_pixels(prepared)
    assert pixels is not None
    edit = Editing(prepared)
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


def test_folded_norms_compute_the_same(tmp_path: Path) -> None:
    """None is left, nor a constant that only it had."""
    mirror = exported(tmp_path, SCALINGS["grey"], mirror=True)
    folded = mirror.model()
    fold_batch_norms(folded)
    assert "BatchNormalization" not in operators(folded)
    assert not [tensor.name for tensor in folded.graph.initializer if "running_" in tensor.name]
    np.testing.assert_allclose(run(folded, mirror.images), run(mirror.model(), mirror.images), atol=1e-5)


def test_norms_that_differ_behind_shared_weights_stay(tmp_path: Path) -> None:
    """One weight cannot take both."""
    model = exported(tmp_path, SCALINGS["grey"], mirror=True).model()
    norm = next(node for node in model.graph.node if node.op_type == "BatchNormalization")
    edit = Editing(model)
    norm.input[1] = edit.put_floats("another_scale", 2 * edit.floats(norm.input[1]))
    before = model.SerializeToString()
    fold_batch_norms(model)
    assert model.SerializeToString() == before


def test_pixels_that_a_grouped_convolution_sees_keep_their_scaling(tmp_path: Path) -> None:
    """A fourth channel would be no whole group."""
    model = exported(tmp_path, SCALINGS["one whole mean"]).model()
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    next(attribute for attribute in first.attribute if attribute.name == "group").i = 3
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == first.input[1])
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight)[:6, :1], weight.name))
    before = model.SerializeToString()
    assert quantize_pixels(model) is None
    assert model.SerializeToString() == before
