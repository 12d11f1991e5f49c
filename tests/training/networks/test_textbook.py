"""The networks of the textbooks, layer by layer."""

import pytest
import torch
from torch import nn

from models.contract import Colour, Input
from training.networks.network import count_parameters, is_fully_convolutional
from training.networks.registry import build_network

DIGITS = Input(colour=Colour.L, height=28, width=28)
SMALL_COLOUR = Input(colour=Colour.RGB, height=32, width=32)


def test_the_digit_network_is_the_one_of_the_textbook() -> None:
    """1,199,882 parameters, and the output of every layer that has weights or pools."""
    network = build_network("two-conv", 10, DIGITS)
    shapes = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.Flatten | nn.Linear):
            layer.register_forward_hook(lambda _layer, _inputs, output: shapes.append(tuple(output.shape[1:])))
    network(torch.zeros(1, 1, 28, 28))
    assert shapes == [(32, 26, 26), (64, 24, 24), (64, 12, 12), (9216,), (128,), (10,)]
    assert count_parameters(network) == 1_199_882
    assert [layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)] == [0.25, 0.5]


def test_lenet_5_has_the_parameters_of_its_fully_connected_form() -> None:
    """156 + 2,416 + 48,120 + 10,164 + 850."""
    assert count_parameters(build_network("lenet-5", 10, DIGITS)) == 61_706


def test_three_conv_is_dense_without_padding() -> None:
    """A part of a larger image, cut out at the stride of 4, has the features that it has inside."""
    network = build_network("three-conv", 10, SMALL_COLOUR).eval()
    assert is_fully_convolutional(network, 3, 32, 32)
    image = torch.randn(1, 3, 64, 48, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole = network.body(image)
        part = network.body(image[:, :, 12:44, 8:40])
    torch.testing.assert_close(whole[:, :, 3:7, 2:6], part, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "parameters"), [("zfnet", 62_357_608), ("alexnet", 61_100_840)])
def test_early_imagenet_networks_have_their_size(name: str, parameters: int) -> None:
    """ZFNet by hand from its figure 3, AlexNet as torchvision states it."""
    image = Input(colour=Colour.RGB, height=224, width=224)
    with torch.device("meta"):
        assert count_parameters(build_network(name, 1000, image)) == parameters
