"""Every network of the catalogue goes the whole way: a training step, ONNX, parity, the contract's outputs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.contract import CLASS_MAP, INPUT, LOGITS, PROBABILITIES, Dense, Input, Manifest, Pixels, read_bundle
from service.engine.onnx_engine import OnnxEngine
from service.engine.providers import EngineOptions
from service.types import Batch, Prediction
from tests.conftest import ROOT
from training.evaluation.onnx_session import open_session
from training.export.onnx_export import export
from training.importing.fixed_images import fixed_images
from training.networks.exported_module import ExportedModule, Scaling
from training.networks.network import Network
from training.networks.registry import NETWORKS, build_network

CLASSES = 4
QUICK = ("lenet-5", "two-conv", "three-conv", "small-resnet", "medium-resnet", "squeezenet")
"""Exported in a few seconds each; the others take up to a minute."""
ALL = [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in NETWORKS]


@pytest.fixture(params=ALL)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def smallest_input(name: str) -> Input:
    """What the network takes at least, in the colours it was designed for."""
    info = NETWORKS[name]
    return info.native.model_copy(update={"height": info.smallest, "width": info.smallest})


def test_every_network_takes_pictures_that_are_not_square(name: str) -> None:
    """Wide ones, of twice its shortest side."""
    square = smallest_input(name)
    wide = square.model_copy(update={"width": 2 * square.width})
    with torch.inference_mode():
        assert build_network(name, CLASSES, wide).eval()(scaled(wide, 1)).shape == (1, CLASSES)


def scaled(target: Input, count: int) -> torch.Tensor:
    """Noise as a network sees it: float32 [count, C, H, W], about -2 to 2."""
    return torch.from_numpy(fixed_images(target, count)).permute(0, 3, 1, 2) / 64.0 - 2.0


def train_a_step(network: Network, target: Input) -> torch.Tensor:
    """The loss of one step on four images, one a class."""
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    loss = nn.functional.cross_entropy(network.train()(scaled(target, CLASSES)), torch.arange(CLASSES))
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.detach()


def settle(network: Network, target: Input) -> None:
    """Statistics of batch norms from the images at hand: those of an untrained network let values explode."""
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.reset_running_stats()
            norm.momentum = None
    noise = torch.randn(27, target.colour.channels, target.height, target.width)
    with torch.no_grad():
        network.train()(torch.cat([scaled(target, 5), noise]))


def manifest_of(network: Network, target: Input, dense: Dense | None) -> Manifest:
    """A manifest as far as a server's engine reads it."""
    facts = {"labels": tuple("abcd"), "input": target, "class_map": network.has_class_map, "dense": dense}
    return read_bundle(ROOT / "models" / "imagenet" / "1").manifest.model_copy(update=facts)


def answer(model: Path, manifest: Manifest, images: Pixels) -> Prediction:
    """By the engine that serves, which checks the graph against the manifest first."""
    engine = OnnxEngine(model, manifest, EngineOptions())
    try:
        return engine.run(Batch(images, manifest.class_map))
    finally:
        engine.close()


def test_it_trains_exports_and_is_served(name: str, tmp_path: Path) -> None:
    """A finite loss, a gradient for every weight, parity within 1e-4, and the outputs that a server asks for."""
    torch.manual_seed(0)
    target = smallest_input(name)
    network = build_network(name, CLASSES, target)
    assert train_a_step(network, target).isfinite()
    assert [path for path, weight in network.named_parameters() if weight.grad is None] == []
    settle(network, target)

    served = ExportedModule(network, Scaling((128.0,) * target.colour.channels, (64.0,) * target.colour.channels))
    dense = export(served, target, tmp_path / "model.onnx")
    images = fixed_images(target)
    answered = answer(tmp_path / "model.onnx", manifest_of(network, target, dense), images)

    probabilities, logits, *class_map = open_session(tmp_path / "model.onnx").run(None, {INPUT: images})
    assert probabilities.shape == logits.shape == (len(images), CLASSES)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(answered.probabilities, probabilities, atol=1e-5)
    assert len(class_map) == network.has_class_map
    if network.has_class_map:
        assert isinstance(network.head, nn.Linear)
        bias = network.head.bias.detach().numpy()
        atol = 1e-4 * max(1.0, np.abs(logits).max())  # of float32, where untrained weights make large logits
        np.testing.assert_allclose(class_map[0].mean((2, 3)) + bias, logits, atol=atol)


def test_names_of_the_outputs(tmp_path: Path) -> None:
    """In the order of the contract; a network without global pooling has no class map."""
    names = {}
    for name in ("lenet-5", "three-conv"):
        target = smallest_input(name)
        scaling = Scaling((128.0,) * target.colour.channels, (64.0,) * target.colour.channels)
        export(ExportedModule(build_network(name, CLASSES, target), scaling), target, tmp_path / name)
        names[name] = [output.name for output in open_session(tmp_path / name).get_outputs()]
    assert names == {"lenet-5": [PROBABILITIES, LOGITS], "three-conv": [PROBABILITIES, LOGITS, CLASS_MAP]}
