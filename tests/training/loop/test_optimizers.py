"""Optimizers and schedules."""

import math
from itertools import chain

import pytest
import torch

from training.loop.optimizers import Muon, build_optimizers, orthogonalize
from training.loop.recipe import OptimizerName, Recipe
from training.networks.network import Network
from training.networks.small_resnet import small_resnet


@pytest.mark.parametrize("optimizer", ["muon", "sgd", "momentum", "rmsprop", "adam", "adamw"])
def test_every_parameter_is_held_once_and_only_weights_decay(optimizer: OptimizerName) -> None:
    """Weight decay pulls at weights, never at norms and biases."""
    network = small_resnet(4)
    groups = list(chain.from_iterable(o.param_groups for o in build_optimizers(network, Recipe(optimizer=optimizer))))
    held = [parameter for group in groups for parameter in group["params"]]
    assert sorted(map(id, held)) == sorted(map(id, network.parameters()))
    for group in groups:
        assert {parameter.ndim > 1 for parameter in group["params"]} == {group["weight_decay"] > 0}


def test_a_pretrained_body_learns_more_slowly() -> None:
    """By the share that the recipe says, and only where there is something to preserve."""
    network: Network = small_resnet(4)
    (plain,) = build_optimizers(network, Recipe(optimizer="adamw", lr=0.01, freeze=1, body_lr=0.1))
    rates = {id(p): group["lr"] for group in plain.param_groups for p in group["params"]}
    assert all(math.isclose(rates[id(p)], 0.001) for p in network.body.parameters())
    assert all(rates[id(p)] == 0.01 for p in network.head.parameters())


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 16)])
def test_orthogonalizing_brings_singular_values_near_one(shape: tuple[int, int]) -> None:
    """Whatever their spread was, none dominates afterwards."""
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalize(matrix))
    assert float(values.min()) > 0.3
    assert float(values.max()) < 1.4


def test_muon_skips_what_has_no_gradient() -> None:
    """A frozen weight stays as it is."""
    weight = torch.nn.Parameter(torch.ones(4, 4))
    Muon([weight], lr=0.1, momentum=0.9, weight_decay=0.1).step()
    assert torch.equal(weight, torch.ones(4, 4))


@pytest.mark.parametrize("shape", [(12, 30), (30, 12)])
def test_on_matrices_muon_is_that_of_pytorch(shape: tuple[int, int]) -> None:
    """Within the rounding of bfloat16 over several steps, with momentum and decay; PyTorch's takes no convolutions."""
    random = torch.Generator().manual_seed(0)
    start, *gradients = (torch.randn(shape, generator=random) for _ in range(6))
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    optimizers = (
        Muon([ours], lr=0.1, momentum=0.9, weight_decay=0.01),
        torch.optim.Muon([theirs], lr=0.1, momentum=0.9, weight_decay=0.01),
    )
    for gradient in gradients:
        for parameter, optimizer in zip((ours, theirs), optimizers, strict=True):
            parameter.grad = gradient.clone()
            optimizer.step()
    difference, moved = (ours - theirs).detach().norm(), (ours - start).detach().norm()
    assert float(difference) < 0.05 * float(moved)
