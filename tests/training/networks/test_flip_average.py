"""An image and its mirror image, answered as one."""

import pytest
import torch

from models.contract import Colour, Input
from training.errors import ConfigurationError
from training.networks.flip_average import flip_averaged
from training.networks.network import count_parameters
from training.networks.small_resnet import small_resnet
from training.networks.textbook import two_conv


def test_the_logits_are_the_mean_of_both_images() -> None:
    """No weight is added."""
    network = small_resnet(4).eval()
    pixels = torch.rand(3, 1, 16, 16)
    expected = (network(pixels) + network(pixels.flip(3))) / 2
    assert torch.allclose(flip_averaged(network).eval()(pixels), expected, atol=1e-5)
    assert count_parameters(flip_averaged(network)) == count_parameters(network)


def test_a_network_without_a_class_map_is_refused() -> None:
    """Its head is not linear, so the mean of the features would be something else."""
    with pytest.raises(ConfigurationError, match="average pooling"):
        flip_averaged(two_conv(4, Input(colour=Colour.L, height=16, width=16)))
