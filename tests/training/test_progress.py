"""What a run prints while it goes on."""

import pytest
import torch

from tests.training.loop.conftest import CLASSES, training_data
from training.loop.fit import fit
from training.loop.recipe import Recipe
from training.networks.network import Network
from training.networks.small_resnet import small_resnet
from training.progress import ProgressDisplay


def network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return small_resnet(CLASSES)


def test_off_a_terminal_each_epoch_is_a_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A log file gets text with rate and time left, and no control characters."""
    fit(network(), training_data(train=32), Recipe(epochs=2, batch_size=16))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert "images/s" in lines[0]
    assert "\x1b" not in lines[0]


def test_without_images_there_is_no_rate(capsys: pytest.CaptureFixture[str]) -> None:
    """As where a run is resumed after the last step of an epoch."""
    progress = ProgressDisplay(100, done=50)
    progress.print_line("epoch 3/6: loss 1.0")
    progress.advance(10)
    progress.print_line("epoch 4/6: loss 0.9")
    without, with_rate = capsys.readouterr().err.splitlines()
    assert without == "epoch 3/6: loss 1.0"
    assert "images/s" in with_rate
