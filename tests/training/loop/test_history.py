"""The history of a run, as lines of JSON and as TensorBoard events."""

from pathlib import Path

import pytest
import torch

from tests.training.loop.conftest import CLASSES, training_data
from training.loop.fit import fit
from training.loop.recipe import Recipe
from training.networks.network import Network
from training.networks.small_resnet import small_resnet


def network() -> Network:
    torch.manual_seed(3)
    return small_resnet(CLASSES)


def test_a_history_that_cannot_be_written_does_not_end_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run says so and goes on to its end."""
    (tmp_path / "history.jsonl").mkdir()
    fit(network(), training_data(), Recipe(epochs=1, batch_size=16), folder=tmp_path)
    assert "training goes on" in capsys.readouterr().err


def test_tensorboard_gets_scalars_filters_and_predictions(tmp_path: Path) -> None:
    """The event files hold what a person looks for."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit(network(), training_data(), Recipe(epochs=1, batch_size=16), folder=tmp_path)
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    tags = events.Tags()
    assert {"epoch/accuracy", "epoch/loss", "step/learning rate", "step/loss"} <= set(tags["scalars"])
    assert set(tags["images"]) == {"first-layer filters", "validation images"}
    assert tags["tensors"] == ["validation images/text_summary"]
