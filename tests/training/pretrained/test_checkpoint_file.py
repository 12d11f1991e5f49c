"""Checkpoints that others wrote, as their tools write them."""

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from training.errors import TrainingError
from training.importing.guesses import Guess
from training.pretrained.checkpoint_file import read_checkpoint, tensors_for

WANTED = ("conv1.weight", "fc.weight", "fc.bias")


def tensors(prefix: str = "") -> dict[str, Tensor]:
    return {prefix + name: torch.full((2,), float(index)) for index, name in enumerate(WANTED)}


def saved(folder: Path, content: Any) -> Path:
    torch.save(content, folder / "weights.pth")
    return folder / "weights.pth"


@pytest.mark.parametrize("prefix", ["", "model.", "module.", "net.", "module.model.", "_orig_mod."])
def test_a_prefix_of_all_names_is_removed(tmp_path: Path, prefix: str) -> None:
    """As Lightning, DistributedDataParallel, torch.compile and wrappers of one's own put it there; it is said."""
    guesses = list[Guess]()
    found = tensors_for(read_checkpoint(saved(tmp_path, tensors(prefix))), WANTED, "net", guesses.append)
    assert list(found) == list(WANTED)
    assert (repr(prefix) in guesses[0].reason) == bool(prefix)


@pytest.mark.parametrize("part", ["state_dict", "model", "model_state_dict", "net", "anything"])
def test_the_tensors_may_stand_under_a_key(tmp_path: Path, part: str) -> None:
    """Beside an optimizer, an epoch and the like."""
    kept = {part: tensors(), "epoch": 3, "optimizer": {"state": {0: {"step": torch.ones(1)}}, "param_groups": []}}
    assert read_checkpoint(saved(tmp_path, kept)).part == part


def test_the_moving_average_goes_before_the_weights(tmp_path: Path) -> None:
    """The average is what training scripts report as their result."""
    kept = {"state_dict": tensors(), "state_dict_ema": tensors("module.")}
    guesses = list[Guess]()
    tensors_for(read_checkpoint(saved(tmp_path, kept)), WANTED, "net", guesses.append)
    assert "the moving average" in guesses[0].value


def test_settings_of_the_training_are_read(tmp_path: Path) -> None:
    """A namespace, as of argparse, is the one class that is let in."""
    kept = {"state_dict": tensors(), "args": argparse.Namespace(img_size=160)}
    assert read_checkpoint(saved(tmp_path, kept)).settings == {"img_size": 160}


class Harmful:
    """Makes a file when it is loaded as a pickle."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_nothing_in_a_file_runs(tmp_path: Path) -> None:
    """The sentence names the classes and says how to save numbers alone."""
    path = saved(tmp_path, {"state_dict": tensors(), "args": Harmful(tmp_path / "harm")})
    with pytest.raises(TrainingError, match=r"Python objects \(.*\), which are never loaded.*save model.state_dict"):
        read_checkpoint(path)
    assert not (tmp_path / "harm").exists()


def test_tensors_of_other_parts_are_left_out(tmp_path: Path) -> None:
    """Such as the weights of a loss; how many is said."""
    guesses = list[Guess]()
    kept = tensors("model.") | {"criterion.weight": torch.ones(3)}
    assert len(tensors_for(read_checkpoint(saved(tmp_path, kept)), WANTED, "net", guesses.append)) == 3
    assert "1 other" in guesses[0].reason


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (tensors() | {"fc.more": torch.ones(1)}, "has 1 tensors that net lacks, such as 'fc.more'"),
        (tensors("a.") | {"a.more": torch.ones(1)}, "has 1 tensors that net lacks, such as 'a.more'"),
        (tensors("student.") | tensors("teacher."), "holds net 2 times, behind 'student.' and 'teacher.'"),
        (
            {"a.fc.weight": torch.ones(1)},
            "2 of its 3 tensors are missing, such as 'a.conv1.weight'; the file has 'a.fc",
        ),
    ],
    ids=["more", "more behind a prefix", "twice", "fewer"],
)
def test_what_does_not_fit_is_named(tmp_path: Path, kept: dict[str, Tensor], message: str) -> None:
    """With the first of the names."""
    with pytest.raises(TrainingError, match=message):
        tensors_for(read_checkpoint(saved(tmp_path, kept)), WANTED, "net", list[Guess]().append)


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, torch.ones(3)])
def test_a_file_without_names_is_refused(tmp_path: Path, content: Any) -> None:
    """It may be a tensor, or numbers."""
    with pytest.raises(TrainingError, match="holds no tensors by name"):
        read_checkpoint(saved(tmp_path, content))
