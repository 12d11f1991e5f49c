"""Checkpoints that others wrote, as their tools write them."""

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from training.errors import TrainingError
from training.pretrained.checkpoint_file import is_average, preference, read_checkpoint

WANTED = ("conv1.weight", "fc.weight", "fc.bias")


def tensors(prefix: str = "") -> dict[str, Tensor]:
    return {prefix + name: torch.full((2,), float(index)) for index, name in enumerate(WANTED)}


def saved(folder: Path, content: Any) -> Path:
    torch.save(content, folder / "weights.pth")
    return folder / "weights.pth"


@pytest.mark.parametrize("part", ["state_dict", "model", "model_state_dict", "net", "module", "anything"])
def test_the_tensors_may_stand_under_a_key(tmp_path: Path, part: str) -> None:
    """Beside an optimizer, an epoch and the like, whose tensors are no weights."""
    optimizer = {"state": {0: {"step": torch.ones(1)}, "fc.weight": {"exp_avg": torch.ones(1)}}, "param_groups": []}
    kept = {part: tensors(), "epoch": 3, "optimizer": optimizer}
    assert list(read_checkpoint(saved(tmp_path, kept)).parts) == [part]


def test_dictionaries_inside_each_other_are_looked_into(tmp_path: Path) -> None:
    """As an average of the weights keeps its decay beside them; one that holds itself ends."""
    kept: dict[str, Any] = {"model": tensors(), "ema": {"decay": 0.9, "shadow": tensors()}}
    kept["itself"] = kept
    assert {"model", "ema.shadow"} <= set(read_checkpoint(saved(tmp_path, kept)).parts)


def test_averages_go_before_the_weights_and_known_keys_before_others() -> None:
    """The average is what training scripts report as their result."""
    keys = ["student", "model", "state_dict", "ema.shadow", "model_ema", "state_dict_ema", ""]
    ranked = ["state_dict_ema", "model_ema", "ema.shadow", "state_dict", "model", "", "student"]
    assert sorted(keys, key=preference) == ranked
    assert [is_average(key) for key in ("ema_model", "schema", "model_ema")] == [True, False, True]


def test_settings_of_the_training_are_read(tmp_path: Path) -> None:
    """A namespace, as of argparse, is the one class that is let in; some files have the network beside it."""
    kept = {"state_dict": tensors(), "args": argparse.Namespace(img_size=160), "arch": "net"}
    assert read_checkpoint(saved(tmp_path, kept)).settings == {"img_size": 160, "model": "net"}


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.bin", "weights.pth"])
def test_the_format_is_told_by_the_content(tmp_path: Path, name: str) -> None:
    """Whatever the file is called."""
    save_file(tensors(), tmp_path / name)
    assert list(read_checkpoint(tmp_path / name).parts[""]) == sorted(WANTED)
    torch.save(tensors(), tmp_path / name)
    assert list(read_checkpoint(tmp_path / name).parts[""]) == list(WANTED)


class Harmful:
    """Makes a file when it is loaded as a pickle."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_file_runs(tmp_path: Path, zipped: bool) -> None:
    """The sentence names the classes and says how to save numbers alone, also for PyTorch's format before zip files."""
    path, content = tmp_path / "weights.pth", {"state_dict": tensors(), "args": Harmful(tmp_path / "harm")}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(TrainingError, match=r"Python objects \(.*\), which are never loaded.*save model.state_dict"):
        read_checkpoint(path)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {}, torch.ones(3)])
def test_a_file_without_names_is_refused(tmp_path: Path, content: Any) -> None:
    """It may be a tensor, or numbers."""
    with pytest.raises(TrainingError, match="holds no tensors by name"):
        read_checkpoint(saved(tmp_path, content))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    """And what is not there."""
    with pytest.raises(TrainingError, match="is a folder: give --weights the checkpoint in it"):
        read_checkpoint(tmp_path)
    with pytest.raises(TrainingError, match="there is no file"):
        read_checkpoint(tmp_path / "none.pth")
