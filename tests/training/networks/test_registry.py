"""Networks by name."""

import pytest
import torch

from models.contract import Colour, Input
from training.errors import TrainingError
from training.networks.registry import NETWORKS, build_network, network_names

HEAVY = {"vgg-16", "inception-v3", "inception-resnet-v2", "resnet-152", "zfnet"}
FLAT = {"lenet-5", "two-conv", "alexnet", "zfnet", "vgg-16"}
"""Dense layers on all positions at once."""
HIDDEN = {"mobilenet-v3", "ghostnet", "convnext-tiny", "vit-tiny"}
"""Something that is not linear, or attention to one token, between pooling and the last layer."""
POOLED = NETWORKS.keys() - FLAT - HIDDEN


def colour(side: int) -> Input:
    return Input(colour=Colour.RGB, height=side, width=side)


def test_every_network_of_the_textbook_has_a_name() -> None:
    """All from LeNet to Swin."""
    assert len(network_names()) == len(set(network_names())) == 24


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in HEAVY])
def test_the_smallest_image_is_large_enough(name: str) -> None:
    """Logits of the stated smallest size, one row an image and finite."""
    network = build_network(name, 5, colour(NETWORKS[name].smallest)).eval()
    side = NETWORKS[name].smallest
    with torch.inference_mode():
        logits = network(torch.randn(2, 3, side, side))
    assert logits.shape == (2, 5)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", NETWORKS)
def test_an_image_below_the_smallest_is_refused(name: str) -> None:
    """One sentence with both sizes."""
    side = NETWORKS[name].smallest
    with pytest.raises(TrainingError, match=f"{name} needs images of at least {side}x{side} pixels, not {side - 1}x"):
        build_network(name, 5, colour(side - 1))


@pytest.mark.parametrize("name", ["alexnet", "resnet-18", "vit-tiny"])
def test_grey_images_have_one_channel(name: str) -> None:
    """Of torchvision and of timm, convolutional or not."""
    network = build_network(name, 3, Input(colour=Colour.L, height=64, width=96)).eval()
    assert network(torch.zeros(1, 1, 64, 96)).shape == (1, 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet50", "did you mean resnet-50"),
        ("vit", "did you mean vit-tiny"),
        ("xyzzy", "there is: lenet-5, "),
        ("timm/resnet", "timm has no network 'resnet'; it has: "),
        ("timm/resnet18.nothing", "timm has no weights 'resnet18.nothing'; it has: resnet18.a1_in1k, "),
        ("timm/dpn68", "ends in Conv2d"),
        ("timm/deit_tiny_distilled_patch16_224", "not in one linear layer"),
    ],
)
def test_an_unknown_network_ends_in_one_sentence(name: str, message: str) -> None:
    """With the nearest names, where there are any."""
    with pytest.raises(TrainingError, match=message):
        build_network(name, 5, colour(64), pretrained="." in name)


def test_weights_that_nobody_published_are_not_promised() -> None:
    """For the networks made here."""
    with pytest.raises(TrainingError, match="lenet-5 has no published weights"):
        build_network("lenet-5", 5, colour(32), pretrained=True)


@pytest.mark.parametrize("name", sorted((FLAT | HIDDEN) - HEAVY))
def test_other_networks_promise_no_class_map(name: str) -> None:
    """The mean over positions is not all that is before their last layer."""
    assert not build_network(name, 5, colour(96)).has_class_map


@pytest.mark.parametrize("name", sorted(POOLED - HEAVY))
def test_a_pooled_network_is_the_mean_of_its_class_map(name: str) -> None:
    """At a size with several positions: what is declared or detected is also true."""
    side = max(96, NETWORKS[name].smallest)
    network = build_network(name, 5, colour(side)).eval()
    assert isinstance(network.head, torch.nn.Linear)
    with torch.inference_mode():
        image = torch.randn(2, 3, side, side)
        features = network.body(image)
        class_map = torch.einsum("nfhw,kf->nkhw", features, network.head.weight)
        torch.testing.assert_close(class_map.mean((2, 3)) + network.head.bias, network(image), atol=1e-4, rtol=1e-5)
