"""Training on top of a body that has learnt before."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.training.loop.conftest import CLASSES, training_data
from training.loop.fine_tuning import set_phase
from training.loop.fit import fit
from training.loop.recipe import Recipe
from training.networks.network import Network
from training.networks.small_resnet import small_resnet


def network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return small_resnet(CLASSES)


def test_a_frozen_body_keeps_weights_and_statistics() -> None:
    """Only the head learns in the first epochs."""
    start = network()
    before = {name: value.clone() for name, value in start.body.state_dict().items()}
    head = start.head.state_dict()["weight"].clone()
    trained, _ = fit(start, training_data(), Recipe(epochs=1, batch_size=16, freeze=1))
    assert all(torch.equal(value, before[name]) for name, value in trained.body.state_dict().items())
    assert not torch.equal(trained.head.state_dict()["weight"], head)


class Block(nn.Module):
    """Drops its convolution for half of the images, in training only, by its own mode, as EfficientNet does."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 1, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        kept = torch.rand(len(x), 1, 1, 1) < 0.5 if self.training else 1.0
        features: Tensor = x + kept * self.convolution(x)
        return features


def test_a_frozen_body_drops_nothing() -> None:
    """Blocks and dropout without weights of their own compute the same features in training as in inference."""
    network = Network(nn.Sequential(Block(), nn.Dropout(0.5), Block()), nn.Linear(1, CLASSES), pooled=True, dropout=0.5)
    set_phase(network, Recipe(epochs=2, freeze=1), epoch=1)
    images = torch.ones(64, 1, 4, 4)
    features = network.embed(images)
    assert torch.equal(features, features[:1].expand_as(features))
    assert network.dropout.training


def test_what_lies_behind_the_first_layer_that_learns_is_in_training_mode() -> None:
    """With the upper half of the body, its blocks and dropout learn as the author of the network meant it."""
    first, between, second, behind = Block(), nn.Dropout(0.5), Block(), nn.Dropout(0.5)
    body = nn.Sequential(first, between, second, behind)
    network = Network(body, nn.Linear(1, CLASSES), pooled=True)
    set_phase(network, Recipe(epochs=2, freeze=1, unfreeze=0.5), epoch=2)
    assert [module.training for module in (first, between, second, behind)] == [False, False, True, True]
    assert [parameter.requires_grad for parameter in body.parameters()] == [False, False, True, True]
    set_phase(network, Recipe(epochs=2, freeze=1), epoch=2)
    assert all(module.training for module in network.modules())


def test_the_rate_of_a_run_is_that_of_what_learns(tmp_path: Path) -> None:
    """That of the head where the body is frozen: SGD's, of a recipe whose convolutions are for Muon."""
    recipe = Recipe(epochs=1, freeze=1, lr=0.03, schedule="constant", warm_up=0)
    fit(network(), training_data(), recipe, folder=tmp_path)
    assert json.loads((tmp_path / "history.jsonl").read_text())["lr"] == pytest.approx(0.03 * 5 / 3)


def test_the_top_of_the_body_thaws_after_the_frozen_epochs() -> None:
    """With half of it unfrozen, the first layer stays and the last learns."""
    start = network()
    before = [parameter.detach().clone() for parameter in start.body.parameters()]
    trained, _ = fit(start, training_data(), Recipe(epochs=2, batch_size=16, freeze=1, unfreeze=0.5, average=0))
    after = list(trained.body.parameters())
    assert torch.equal(after[0], before[0])
    assert not torch.equal(after[-1], before[-1])
