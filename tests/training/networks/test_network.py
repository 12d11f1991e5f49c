"""The structure of every classifier."""

import torch
from torch import nn

from training.networks.network import Network, count_parameters, is_fully_convolutional


def convolutional(*, pooled: bool = True, head: nn.Module | None = None) -> Network:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU())
    return Network(body, head or nn.Linear(4, 3), pooled=pooled).eval()


def test_logits_are_the_head_of_the_mean_over_the_features() -> None:
    """Dropout changes nothing in evaluation mode."""
    network, images = convolutional(), torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(network.embed(images), network.body(images).mean((2, 3)))
    torch.testing.assert_close(network(images), network.head(network.body(images).mean((2, 3))))


def test_a_class_map_takes_pooling_and_a_linear_head() -> None:
    """A head of two layers cannot be applied at each position."""
    assert convolutional().has_class_map
    assert not convolutional(pooled=False).has_class_map
    assert not convolutional(head=nn.Sequential(nn.Linear(4, 3), nn.ReLU())).has_class_map


def test_a_network_is_fully_convolutional_when_its_features_grow_with_the_image() -> None:
    """Pooling to a fixed size inside the body, and layers for one size only, are not."""
    fixed = Network(nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(2)), nn.Linear(4, 3), pooled=True)
    one_size = Network(
        nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Unflatten(1, (4, 2, 2))), nn.Linear(4, 3), pooled=True
    )
    assert is_fully_convolutional(convolutional(), 1, 8, 8)
    assert not is_fully_convolutional(fixed, 1, 8, 8)
    assert not is_fully_convolutional(one_size, 1, 8, 8)


def test_running_statistics_are_no_parameters() -> None:
    """40 of the convolution, 8 of the norm, 15 of the head."""
    assert count_parameters(convolutional()) == 4 * 9 + 4 + 8 + 4 * 3 + 3
