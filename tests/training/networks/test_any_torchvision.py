"""Classifiers of torchvision as networks of a body and a head."""

import pytest
import torch

from models.contract import Colour, Input
from training.errors import TrainingError
from training.networks.any_torchvision import require_known, torchvision_model, torchvision_network


def colour(side: int) -> Input:
    return Input(colour=Colour.RGB, height=side, width=side)


@pytest.mark.parametrize(
    ("name", "pooled"),
    [
        ("resnet18", True),
        ("mobilenet_v3_small", False),
        ("mobilenet_v2", True),
        ("densenet121", True),
        ("efficientnet_b0", True),
        ("mnasnet0_5", True),
        ("regnet_y_400mf", True),
        ("alexnet", False),
        ("vit_b_16", False),
    ],
)
def test_a_network_computes_what_torchvision_computes(name: str, pooled: bool) -> None:
    """Whether or not it has a class map."""
    torch.manual_seed(0)
    model, _ = torchvision_model(name, 5, colour(64))
    network = torchvision_network(name, 5, colour(64), model.state_dict()).eval()
    image = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(network(image), model.eval()(image), rtol=1e-4, atol=1e-4)
    assert network.pooled == pooled


def test_a_network_without_a_last_linear_layer_is_refused() -> None:
    """SqueezeNet ends in a convolution with a ReLU behind it."""
    with pytest.raises(
        TrainingError,
        match=r"squeezenet1_1 ends in Conv2d, .*: write the model with torch.onnx.export.* to snellen import",
    ):
        torchvision_model("squeezenet1_1", 5, colour(64))


def test_weights_for_another_size_are_named() -> None:
    """By the first tensor that does not fit."""
    model, _ = torchvision_model("vit_b_32", 5, colour(64))
    with pytest.raises(
        TrainingError, match=r"pos_embedding of the checkpoint has the shape \[1, 5, 768\], but \[1, 10"
    ):
        torchvision_network("vit_b_32", 5, colour(96), model.state_dict())


def test_an_unknown_name_gets_near_ones() -> None:
    """Of classifiers only."""
    with pytest.raises(TrainingError, match="has no classifier 'resnet_18'; it has: resnet18"):
        require_known("resnet_18")
