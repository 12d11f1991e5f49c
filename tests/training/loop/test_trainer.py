"""Training steps."""

from pathlib import Path

import pytest
import torch

from tests.training.loop.conftest import CLASSES, TARGET, training_data
from training.errors import DivergedError
from training.loop.checkpoint import load_state, save_state
from training.loop.device import Device
from training.loop.recipe import Augmentation, Recipe
from training.loop.trainer import Trainer
from training.networks.small_resnet import small_resnet

PLAIN = Augmentation(flip=False, shift=0, erase=0)


def trainer(steps: int = 8, **settings: object) -> Trainer:
    torch.manual_seed(0)
    recipe = Recipe.model_validate({"optimizer": "sgd", "augmentation": PLAIN, "warm_up": 0, **settings})
    scaling, cpu = training_data(16).scaling, Device(torch.device("cpu"))
    return Trainer(small_resnet(CLASSES), recipe, TARGET, scaling, CLASSES, steps, cpu)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    images = training_data(16).train
    return torch.from_numpy(images.images), torch.from_numpy(images.labels)


def weights(of: Trainer) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in of.network.parameters()])


def test_weights_change_after_as_many_batches_as_a_step_has() -> None:
    """Gradients of the batches before are added up."""
    training = trainer(accumulate=2)
    before = weights(training)
    training.train_batch(*batch())
    assert torch.equal(weights(training), before)
    training.train_batch(*batch())
    assert not torch.equal(weights(training), before)
    assert training.step == 2


def test_the_rate_is_the_one_that_the_last_step_used() -> None:
    """One-cycle without a warm-up over eight steps falls by a ninth of the peak each."""
    training = trainer(lr=0.9)
    rates = []
    for _ in range(3):
        training.train_batch(*batch())
        rates.append(training.rate)
    assert rates == pytest.approx([0.8, 0.7, 0.6])


def test_a_restored_trainer_goes_on_as_the_other_would_have(tmp_path: Path) -> None:
    """Weights, average, optimizer and schedule: the next step gives the same bits."""
    first, second = trainer(optimizer="muon"), trainer(optimizer="muon")
    first.train_batch(*batch())
    save_state(tmp_path / "state.pt", first.state())
    second.restore(load_state(tmp_path / "state.pt"))
    for each in (first, second):
        each.train_batch(*batch())
    assert second.rate == first.rate
    assert torch.equal(weights(first), weights(second))
    for ours, theirs in zip(first.average.parameters(), second.average.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_numbers_that_are_not_finite_stop_the_run_with_the_step() -> None:
    """A loss, and a weight that the loss before it does not show."""
    training = trainer()
    training.train_batch(*batch())
    with pytest.raises(DivergedError, match="the loss is nan at step 1: lower the learning rate"):
        training.check(torch.tensor(float("nan")))
    training.check_weights()
    next(training.network.parameters()).data.fill_(float("inf"))
    with pytest.raises(DivergedError, match="a weight is no longer a number at step 1"):
        training.check_weights()
