"""What a bundle says about a checkpoint of torchvision."""

import argparse
from pathlib import Path

import pytest
import torch
import torchvision

from training.errors import TrainingError
from training.importing.guesses import Guess
from training.importing.import_options import ImportOptions
from training.pretrained.torchvision_weights import published_torchvision_network

MODEL = "shufflenet_v2_x0_5"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.save(torchvision.models.get_model(MODEL, num_classes=4).state_dict(), tmp_path / "a.pth")
    return tmp_path / "a.pth"


def test_settings_of_torchvisions_own_weights_are_assumed(weights: Path) -> None:
    """Its crop of 224 pixels out of 256, bilinear; it is said."""
    guesses = list[Guess]()
    network = published_torchvision_network(MODEL, weights, ImportOptions(), guesses.append)
    assert (network.target.shape, network.preprocessing.crop_fraction) == ((224, 224, 3), 224 / 256)
    assert network.preprocessing.interpolation == "bilinear"
    assert sum(f"assumed: torchvision's settings of {MODEL}" in guess.reason for guess in guesses) == 3
    assert (network.labels()[3], network.licence) == ("class 3", "of the file not known")


def test_a_checkpoint_of_another_network_is_refused(weights: Path) -> None:
    """With what is missing."""
    with pytest.raises(TrainingError, match="is no checkpoint of mnasnet0_5: .* tensors are missing"):
        published_torchvision_network("mnasnet0_5", weights, ImportOptions(), list[Guess]().append)


def test_inception_takes_numbers_of_its_own(tmp_path: Path) -> None:
    """torchvision turns ImageNet's scaling into -1 to 1 inside of it; auxiliary classifiers are left out."""
    model = torchvision.models.googlenet(num_classes=4, init_weights=False)
    torch.save(model.state_dict(), tmp_path / "a.pth")
    guesses = list[Guess]()
    published_torchvision_network("googlenet", tmp_path / "a.pth", ImportOptions(), guesses.append)
    scaling = next(guess for guess in guesses if guess.what == "scaling")
    assert scaling.value == "(pixel - [127.5, 127.5, 127.5]) / [127.5, 127.5, 127.5]"
    assert "other tensors were left out" in guesses[0].reason


def test_torchvisions_own_script_leaves_nothing_to_assume(tmp_path: Path) -> None:
    """Its checkpoints have the sizes; mean and deviation are the same for each network, and not in the file."""
    settings = argparse.Namespace(model=MODEL, val_crop_size=96, val_resize_size=128, interpolation="bicubic")
    kept = {"model": torchvision.models.get_model(MODEL, num_classes=4).state_dict(), "args": settings}
    torch.save(kept, tmp_path / "a.pth")
    guesses = list[Guess]()
    network = published_torchvision_network(MODEL, tmp_path / "a.pth", ImportOptions(), guesses.append)
    assert (network.target.shape, network.preprocessing.crop_fraction) == ((96, 96, 3), 0.75)
    assert network.preprocessing.interpolation == "bicubic"
    assert not any("assumed" in guess.reason for guess in guesses)
