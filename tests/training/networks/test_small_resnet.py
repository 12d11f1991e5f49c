"""The residual networks for small images."""

from collections.abc import Callable

import pytest
from torch import nn

from training.networks.network import Network, count_parameters
from training.networks.small_resnet import medium_resnet, small_resnet


@pytest.mark.parametrize("build", [small_resnet, medium_resnet])
def test_the_network_has_under_0_8_million_parameters(build: Callable[[int], Network]) -> None:
    """With the ten classes of Fashion-MNIST."""
    assert count_parameters(build(10)) < 800_000


def test_the_second_block_of_the_medium_network_works_at_full_resolution() -> None:
    """Two blocks, of two convolutions each, come before the first convolution that halves the resolution."""
    strides = [module.stride[0] for module in medium_resnet(10).body.modules() if isinstance(module, nn.Conv2d)]
    assert strides == [1, 1, 1, 1, 1, 2, 1, 1, 2, 1, 1]
