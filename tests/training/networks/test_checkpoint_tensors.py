"""Tensors of a checkpoint into a network."""

import pytest
import torch
from torch import nn

from training.errors import TrainingError
from training.networks.checkpoint_tensors import channels_of, head_of, load_tensors


def network(channels: int = 3, classes: int = 2) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, classes))


def test_the_head_is_the_last_linear_layer() -> None:
    """By its path."""
    assert head_of(network()) == "3"
    assert head_of(nn.ReLU()) == ""


@pytest.mark.parametrize("channels", [1, 3])
def test_the_first_convolution_tells_the_channels(channels: int) -> None:
    """Of a model that was built for three."""
    assert channels_of(network(), network(channels).state_dict()) == channels


def test_other_channels_are_refused() -> None:
    """A bundle has grey and RGB."""
    with pytest.raises(TrainingError, match="takes 4 channels: a bundle takes 1 or 3"):
        channels_of(network(), network(4).state_dict())


def test_tensors_are_loaded_in_float32() -> None:
    """Half precision too; a counter that is missing does not matter."""
    wanted = {name: each.half() for name, each in network().state_dict().items() if "tracked" not in name}
    loaded = network()
    load_tensors(loaded, wanted, "net", "8x8 pixels")
    torch.testing.assert_close(loaded.state_dict()["3.weight"], wanted["3.weight"].float())


def test_a_tensor_of_another_shape_is_named() -> None:
    """With both shapes."""
    with pytest.raises(
        TrainingError, match=r"3.weight of the checkpoint has the shape \[5, 4\], but \[2, 4\] in net for"
    ):
        load_tensors(network(), network(classes=5).state_dict(), "net", "8x8 pixels")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_failed_training_is_refused(number: float) -> None:
    """Its network answers NaN for every picture."""
    tensors = network().state_dict()
    tensors["3.weight"][0, 0] = number
    with pytest.raises(TrainingError, match="3.weight of the checkpoint has numbers that are NaN or infinite"):
        load_tensors(network(), tensors, "net", "8x8 pixels")
