"""What a run prints while it goes on."""

from io import StringIO

import pytest
import torch
from rich.console import Console

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


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_number_is_cut_off_on_a_narrow_terminal(width: int) -> None:
    """The bar and the time elapsed make room."""
    console = Console(file=StringIO(), force_terminal=True, width=width, no_color=True)
    with ProgressDisplay(8_128_000, console, done=8_100_000) as progress:
        progress.advance(12_000)
    assert isinstance(console.file, StringIO)
    last = [line for line in console.file.getvalue().splitlines() if "training" in line][-1]
    assert "8112000/8128000" in last
    assert "images/s" in last
    assert "\N{HORIZONTAL ELLIPSIS}" not in last
    assert ("elapsed" in last) == (width >= 100)
