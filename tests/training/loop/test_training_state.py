"""Runs that are interrupted and go on."""

import os
import signal
from pathlib import Path

import pytest
import torch

from tests.training.loop.conftest import CLASSES, TARGET, training_data
from training.errors import CheckpointError, InterruptedRunError
from training.loop.fit import fit
from training.loop.history import training_seconds
from training.loop.recipe import Augmentation, Recipe
from training.loop.trainer import Trainer
from training.networks.network import Network
from training.networks.small_resnet import small_resnet
from training.networks.textbook import two_conv

RECIPE = Recipe(
    epochs=3, batch_size=16, accumulate=2, augmentation=Augmentation(mixup=0.2, policy="trivial", rotation=5)
)


def network() -> Network:
    torch.manual_seed(3)
    return small_resnet(CLASSES)


def weights(trained: Network) -> list[torch.Tensor]:
    return list(trained.state_dict().values())


class _Bell:
    """Rings the interruption after so many steps, from inside the run, as a signal would."""

    def __init__(self, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
        train, self.left = Trainer.train_batch, steps

        def counted(trainer: Trainer, *batch: torch.Tensor) -> torch.Tensor:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGTERM)
            return train(trainer, *batch)

        monkeypatch.setattr(Trainer, "train_batch", counted)


@pytest.mark.parametrize("steps", [1, 4, 16, 21])
def test_a_resumed_run_ends_with_the_very_same_weights(
    steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit by bit, wherever in an epoch SIGTERM came, also between two halves of an accumulated gradient."""
    whole, score = fit(network(), training_data(), RECIPE)
    with monkeypatch.context() as patched:
        _Bell(steps, patched)
        with pytest.raises(InterruptedRunError, match="--resume") as stopped:
            fit(network(), training_data(), RECIPE, folder=tmp_path)
    assert stopped.value.status == 128 + signal.SIGTERM
    torch.manual_seed(99)
    resumed, again = fit(network(), training_data(), RECIPE, folder=tmp_path, resume=True)
    assert again == score
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 3


def test_dropout_is_the_same_after_resuming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It draws from the random numbers that the checkpoint holds."""

    def with_dropout() -> Network:
        torch.manual_seed(3)
        return two_conv(CLASSES, TARGET)

    whole, _ = fit(with_dropout(), training_data(), RECIPE)
    with monkeypatch.context() as patched:
        _Bell(5, patched)
        with pytest.raises(InterruptedRunError):
            fit(with_dropout(), training_data(), RECIPE, folder=tmp_path)
    resumed, _ = fit(with_dropout(), training_data(), RECIPE, folder=tmp_path, resume=True)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    """Order, augmentation and dropout all come from it."""
    first, second = (fit(network(), training_data(), RECIPE, seed=1)[0] for _ in range(2))
    other, _ = fit(network(), training_data(), RECIPE, seed=2)
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights(first), weights(other), strict=True))


def test_a_finished_run_is_resumed_at_its_end(tmp_path: Path) -> None:
    """Nothing is trained again: what failed after training can be repeated alone."""
    whole, score = fit(network(), training_data(), RECIPE, folder=tmp_path)
    again, same = fit(network(), training_data(), RECIPE, folder=tmp_path, resume=True)
    assert same == score
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(again), strict=True))


def test_a_signal_in_the_last_step_loses_no_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left to do in that epoch; its time is still a number."""
    with monkeypatch.context() as patched:
        _Bell(16, patched)
        with pytest.raises(InterruptedRunError):
            fit(network(), training_data(), RECIPE, folder=tmp_path)
    fit(network(), training_data(), RECIPE, folder=tmp_path, resume=True)
    assert training_seconds(tmp_path, 96) > 0


@pytest.mark.parametrize("content", [None, b"", b"no checkpoint"])
def test_a_missing_or_damaged_checkpoint_is_said(content: bytes | None, tmp_path: Path) -> None:
    """One sentence, and nothing in the file is run."""
    if content is not None:
        (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match="--overwrite"):
        fit(network(), training_data(), RECIPE, folder=tmp_path, resume=True)
