"""The training loop and its parts."""

import math

import numpy as np
import pytest
import torch

from tests.training.conftest import LABELS, striped
from training.data.images import LabelledImages
from training.errors import DivergedError
from training.fit import Recipe, fit, scaling_of
from training.networks.network import count_parameters
from training.networks.small_resnet import small_resnet
from training.optimizers import Muon, Schedule, build_optimizers, orthogonalize


def labelled(count: int, seed: int) -> LabelledImages:
    images, labels = striped(count, seed)
    return LabelledImages(images[..., None], labels.astype(np.int64))


def test_the_network_has_under_0_8_million_parameters() -> None:
    """With the ten classes of Fashion-MNIST."""
    assert count_parameters(small_resnet(10)) < 800_000


def test_training_learns_a_simple_task() -> None:
    """Two epochs over 320 striped images are enough for most of the others."""
    torch.manual_seed(0)
    train = labelled(320, seed=1)
    recipe = Recipe(epochs=3, batch_size=16)
    _, score = fit(small_resnet(len(LABELS)), train, labelled(80, seed=2), scaling_of(train.images), recipe)
    assert score.accuracy > 0.8


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    """Rates far too high end in an error that says where and what to do, not in a bundle of noise."""
    train = labelled(64, seed=1)
    recipe = Recipe(epochs=2, batch_size=16, lr=1e30, muon_lr=1e30)
    with pytest.raises(DivergedError, match=r"at step .*lower the learning rates"):
        fit(small_resnet(len(LABELS)), train, train, scaling_of(train.images), recipe)


def test_training_stops_when_nothing_gets_better(capsys: pytest.CaptureFixture[str]) -> None:
    """With rates of zero no epoch improves after the running statistics have settled."""
    torch.manual_seed(0)
    train = labelled(64, seed=1)
    recipe = Recipe(epochs=40, batch_size=16, lr=0.0, muon_lr=0.0, patience=1)
    _, score = fit(small_resnet(len(LABELS)), train, train, scaling_of(train.images), recipe)
    assert score.epoch < 39
    assert "stopped early" in capsys.readouterr().err


def test_off_a_terminal_each_epoch_is_a_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A log file gets text with rate and time left, and no control characters."""
    train = labelled(32, seed=1)
    fit(small_resnet(len(LABELS)), train, train, scaling_of(train.images), Recipe(epochs=2, batch_size=16))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert "images/s" in lines[0]
    assert "\x1b" not in lines[0]


def test_norms_and_biases_are_not_decayed() -> None:
    """Weight decay pulls at weights only."""
    muon, plain = build_optimizers(small_resnet(4), lr=0.1, muon_lr=0.1, decay=0.01)
    decays = {parameter.ndim: group["weight_decay"] for group in plain.param_groups for parameter in group["params"]}
    assert decays == {4: 0.01, 2: 0.01, 1: 0.0}
    assert all(parameter.ndim == 4 for group in muon.param_groups for parameter in group["params"])


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


def test_the_schedule_warms_up_and_ends_near_zero() -> None:
    """Rates rise to their peak once, then fall."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=2.0)
    schedule, rates = Schedule([optimizer], steps=100), []
    for step in range(100):
        schedule.set(step)
        rates.append(optimizer.param_groups[0]["lr"])
    peak = int(np.argmax(rates))
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert math.isclose(max(rates), 2.0, rel_tol=0.05)
    assert 0 < rates[-1] < 0.05
