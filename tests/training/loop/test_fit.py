"""The training loop."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.loop.conftest import CLASSES, training_data
from training.errors import DivergedError
from training.loop.fit import fit
from training.loop.recipe import Augmentation, OptimizerName, Recipe
from training.networks.network import Network
from training.networks.small_resnet import small_resnet

PLAIN = Augmentation(flip=False, shift=0, erase=0)


def network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return small_resnet(CLASSES)


@pytest.mark.parametrize("optimizer", ["muon", "momentum", "adamw"])
def test_training_learns_a_simple_task(optimizer: OptimizerName) -> None:
    """Four epochs over 240 striped images are enough for most of the others."""
    recipe = Recipe(epochs=4, batch_size=16, optimizer=optimizer, average=0.9, augmentation=PLAIN)
    _, score = fit(network(), training_data(train=240), recipe)
    assert score.accuracy > 0.8


def test_the_defaults_learn_from_few_images() -> None:
    """48 images in four classes: an epoch has 16 steps of 16 images, and no run ends in its warm-up."""
    recipe = Recipe(epochs=8, augmentation=PLAIN)
    _, score = fit(network(), training_data(train=48, validation=80), recipe)
    assert score.accuracy > 0.9


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_every_optimizer_lowers_the_loss(optimizer: OptimizerName, tmp_path: Path) -> None:
    """From the first epoch to the third."""
    recipe = Recipe(epochs=3, batch_size=16, optimizer=optimizer, augmentation=PLAIN)
    fit(network(), training_data(), recipe, folder=tmp_path)
    losses = [json.loads(line)["loss"] for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0]


def test_all_the_rest_of_a_recipe_runs_together() -> None:
    """Mixing, clipping, accumulation, balance, cosine: the loss stays a number."""
    augmentation = Augmentation(mixup=0.2, cutmix=1.0, policy="trivial", rotation=10, translation=0.1)
    recipe = Recipe(
        epochs=1,
        batch_size=16,
        accumulate=2,
        clip=1.0,
        balance=True,
        schedule="cosine",
        augmentation=augmentation,
        average=0,
    )
    _, score = fit(network(), training_data(), recipe)
    assert math.isfinite(score.nll)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    """Rates far too high end in an error that says where, what to do, and what is left of the run."""
    recipe = Recipe(epochs=30, batch_size=16, optimizer="sgd", lr=1e30, warm_up=0, average=0)
    with pytest.raises(DivergedError, match=r"at step .*lower the learning rate.*nothing was kept"):
        fit(network(), training_data(train=16), recipe, folder=tmp_path)


def test_a_run_that_diverges_keeps_its_last_good_checkpoint(tmp_path: Path) -> None:
    """What was learnt before is there, all finite, and the error names it."""
    good = Recipe(epochs=1, batch_size=16, schedule="constant")
    fit(network(), training_data(), good, folder=tmp_path)
    bad = good.model_copy(update={"epochs": 9, "lr": 1e30, "optimizer": "sgd"})
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(DivergedError, match=r"checkpoint\.pt"):
        fit(network(), training_data(), bad, folder=tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_training_stops_when_the_validation_accuracy_stays_lower(capsys: pytest.CaptureFixture[str]) -> None:
    """Validation images that are labelled otherwise than those to learn from are guessed at first, and missed later."""
    data = training_data(train=64)
    validation = replace(data.validation, labels=(data.validation.labels + 1) % data.classes)
    recipe = Recipe(epochs=40, batch_size=16, patience=1, augmentation=PLAIN)
    _, score = fit(network(), replace(data, validation=validation), recipe)
    assert score.epoch < 39
    assert "stopped early" in capsys.readouterr().err


def test_of_equally_good_epochs_the_last_is_kept() -> None:
    """With a rate of nearly nothing every epoch ends with the same accuracy."""
    recipe = Recipe(epochs=3, batch_size=16, lr=1e-12, weight_decay=0, average=0, patience=1, augmentation=PLAIN)
    small = training_data(train=64)
    few = small.validation.take(np.zeros(1, np.int64))
    _, score = fit(network(), replace(small, validation=few), recipe)
    assert score.epoch == 3
