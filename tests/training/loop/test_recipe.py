"""The recipe of a run."""

import pytest
from pydantic import ValidationError

from training.loop.recipe import Augmentation, OptimizerName, Recipe


@pytest.mark.parametrize(
    ("optimizer", "lr", "decay"),
    [("muon", 0.03, 5e-3), ("momentum", 0.05, 5e-4), ("adamw", 1e-3, 0.05), ("sgd", 0.1, 5e-4)],
)
def test_rate_and_decay_suit_the_optimizer_unless_they_are_given(
    optimizer: OptimizerName, lr: float, decay: float
) -> None:
    """A decay of 0 is given, not left out."""
    usual, given = Recipe(optimizer=optimizer), Recipe(optimizer=optimizer, lr=0.5, weight_decay=0)
    assert (usual.peak_lr, usual.decay) == (lr, decay)
    assert (given.peak_lr, given.decay) == (0.5, 0)


def test_a_body_cannot_stay_frozen_for_longer_than_the_run() -> None:
    """For exactly as long it can."""
    assert Recipe(epochs=3, freeze=3).freeze == 3
    with pytest.raises(ValidationError, match="freeze 4 is more than the 3 epochs of the run"):
        Recipe(epochs=3, freeze=4)


def test_unknown_settings_and_infinite_numbers_are_refused() -> None:
    """A typing error does not go unnoticed."""
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Augmentation.model_validate({"flips": True})
    with pytest.raises(ValidationError, match="finite"):
        Recipe(lr=float("inf"))


def test_a_run_does_not_stop_in_its_warm_up() -> None:
    """The first epoch that counts is the one after it; without patience a run never stops."""
    recipe = Recipe(epochs=32, patience=10)  # the warm-up ends in epoch 5
    for best, stops in ((1, 15), (9, 19)):
        assert next(epoch for epoch in range(1, 33) if recipe.is_exhausted(epoch, best)) == stops
    assert not Recipe(patience=0).is_exhausted(32, best=1)
