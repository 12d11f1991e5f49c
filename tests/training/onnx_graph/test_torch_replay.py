"""Looking inside an ONNX graph, and repeating it in PyTorch."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from models.contract import CLASS_MAP, INPUT, LOGITS, PROBABILITIES, Colour, Input, Precision, read_bundle
from tests.conftest import ROOT
from tests.training.conftest import Exported
from training.errors import ReportError
from training.export.onnx_export import export, fixed_images
from training.networks.exported_module import Scaling, ServedNetwork
from training.networks.flip_average import mirrored
from training.networks.small_resnet import small_resnet
from training.onnx_graph.graph import Graph, spread
from training.onnx_graph.torch_replay import Replay
from training.report.class_maps import evidence
from training.report.feature_inversion import invert


def test_the_penultimate_layer_is_what_the_last_linear_one_reads(graph: Graph, exported: Exported) -> None:
    """PyTorch's embedding of the same images."""
    images = fixed_images(exported.target)
    (found,) = graph.compute([graph.penultimate], images)
    served = exported.network
    with torch.inference_mode():
        pixels = torch.tensor(images).permute(0, 3, 1, 2).float()
        expected = served.network.embed((pixels - served.mean) * served.factor)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_layers_follow_the_network_and_end_at_the_last_maps(graph: Graph, exported: Exported) -> None:
    """From the first activation to the maps that are averaged, and nothing after them."""
    layers = graph.layers(fixed_images(exported.target)[2])
    assert (layers[0].shape, layers[-1].shape) == ((32, 16, 16), (128, 4, 4))
    assert layers[0].name.endswith("body.0.conv")
    last, averaged = graph.compute([layers[-1].tensor, graph.penultimate], fixed_images(exported.target))
    np.testing.assert_allclose(last.mean((2, 3)), averaged, atol=1e-4)
    assert [layer.tensor for layer in spread(layers, 2)] == [layers[0].tensor, layers[-1].tensor]
    assert spread(layers, 100) == layers


def test_the_class_map_explains_the_logits(graph: Graph, exported: Exported) -> None:
    """Its mean is the logit less the bias, and evidence peaks where it does, from 0 to 1."""
    maps, logits = graph.compute([CLASS_MAP, LOGITS], fixed_images(exported.target))
    bias = exported.network.network.head.bias
    assert isinstance(bias, torch.Tensor)
    np.testing.assert_allclose(maps.mean((2, 3)) + bias.detach().numpy(), logits, atol=1e-3)
    shown = evidence(maps[2, 0])
    assert shown.min() >= 0
    if maps[2, 0].max() > 0:
        assert (shown.argmax(), shown.max()) == (maps[2, 0].argmax(), 1)


def test_a_replay_agrees_with_onnx_runtime(graph: Graph, exported: Exported) -> None:
    """All outputs of the exported network."""
    for tensor in (PROBABILITIES, LOGITS, CLASS_MAP):
        assert Replay(graph, tensor).check(fixed_images(exported.target)) < 1e-4


def test_a_mirrored_image_is_repeated_in_pytorch(tmp_path: Path) -> None:
    """Its slices go backwards, which PyTorch has no word for."""
    torch.manual_seed(0)
    target = Input(colour=Colour.L, height=16, width=16)
    served = ServedNetwork(mirrored(small_resnet(4)), Scaling((60.0,), (50.0,)))
    export(served, target, tmp_path / "model.onnx")
    assert Replay(Graph(tmp_path / "model.onnx"), LOGITS).check(fixed_images(target)) < 1e-4


@pytest.mark.parametrize("name", ["imagenet/1", "fashion-mnist/2"])
def test_a_replay_of_a_shipped_bundle_agrees(name: str) -> None:
    """Both, through to the logits."""
    bundle = read_bundle(ROOT / "models" / name)
    replay = Replay(Graph(bundle.model_path(Precision.FP32)), LOGITS)
    assert replay.check(fixed_images(bundle.manifest.input, count=3)) < 1e-4


def test_a_replay_that_disagrees_is_refused(graph: Graph, exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the reason."""
    replay = Replay(graph, LOGITS)
    monkeypatch.setattr("training.onnx_graph.torch_replay.PARITY", -1.0)
    with pytest.raises(ReportError, match="is off by"):
        replay.check(fixed_images(exported.target))


def test_an_operator_without_a_gradient_is_named(tmp_path: Path) -> None:
    """Before anything is computed."""
    node = helper.make_node("Hardmax", [INPUT], [LOGITS])
    given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in (INPUT, LOGITS))
    model = helper.make_graph([node], "odd", [given], [made])
    onnx.save_model(helper.make_model(model, opset_imports=[helper.make_opsetid("", 20)]), tmp_path / "odd.onnx")
    with pytest.raises(ReportError, match="Hardmax"):
        Replay(Graph(tmp_path / "odd.onnx"), LOGITS)


def test_inversion_comes_close_to_the_features_and_repeats_itself(graph: Graph, exported: Exported) -> None:
    """Much closer than the noise that it starts from; the same seed gives the same pixels."""
    image = fixed_images(exported.target)[3]
    features = Replay(graph, graph.before_activation(graph.layers(image)[0]))
    first, again = (invert(features, image, seed=3, steps=40) for _ in range(2))
    assert first.distance[1] < 0.5 * first.distance[0]
    assert first.pixels.shape == image.shape
    np.testing.assert_array_equal(first.pixels, again.pixels)
