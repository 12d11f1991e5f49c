"""The small residual network."""

from training.networks.network import count_parameters
from training.networks.small_resnet import small_resnet


def test_the_network_has_under_0_8_million_parameters() -> None:
    """With the ten classes of Fashion-MNIST."""
    assert count_parameters(small_resnet(10)) < 800_000
