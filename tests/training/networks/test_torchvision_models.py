"""Networks of torchvision, split into body and head."""

import torch
from torch import nn
from torchvision import models

from models.contract import Colour, Input
from training.networks.torchvision_models import shufflenet_v2, squeezenet

GREY, COLOUR = (Input(colour=colour, height=64, width=64) for colour in (Colour.L, Colour.RGB))


def test_body_and_head_compute_what_torchvision_computes() -> None:
    """With the same seed, the same logits: nothing is lost in the split."""
    torch.manual_seed(0)
    expected = models.shufflenet_v2_x1_0(num_classes=5).eval()
    torch.manual_seed(0)
    network, images = shufflenet_v2(5, COLOUR).eval(), torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(network(images), expected(images))


def test_the_first_convolution_has_as_many_channels_as_the_images() -> None:
    """Its other properties stay those of torchvision."""
    grey, colour = (next(m for m in squeezenet(5, t).modules() if isinstance(m, nn.Conv2d)) for t in (GREY, COLOUR))
    assert (grey.in_channels, colour.in_channels) == (1, 3)
    assert (grey.kernel_size, grey.stride, grey.padding) == (colour.kernel_size, colour.stride, colour.padding)
    assert (grey.bias is None) == (colour.bias is None)


def test_the_last_layer_of_squeezenet_is_linear() -> None:
    """So it has a class map, and no ReLU sets a class to zero."""
    network = squeezenet(5, COLOUR)
    assert network.has_class_map
    assert isinstance(network.head, nn.Linear)
    assert network.dropout.p == 0.5
