"""Classifiers of timm as networks of a body and a head."""

import pytest

from models.contract import Colour, Input
from training.errors import TrainingError
from training.networks.registry import build_network


def colour(side: int) -> Input:
    return Input(colour=Colour.RGB, height=side, width=side)


def test_any_network_of_timm_can_be_built() -> None:
    """By the name it has there."""
    assert build_network("timm/resnet10t", 7, colour(64)).has_class_map


@pytest.mark.parametrize(
    ("name", "side", "message"),
    [
        ("timm/resnet10t", 16, "resnet10t needs images of at least 32x32 pixels, not 16x16"),
        ("timm/inception_v4", 40, "inception_v4 does not take images of 40x40 pixels"),
        ("vit-tiny", 40, "vit_tiny_patch16_224 cuts images into 16x16 pixels: 40x40 pixels are no multiple"),
    ],
)
def test_images_that_do_not_suit_a_network_of_timm(name: str, side: int, message: str) -> None:
    """Too small, or no whole number of patches."""
    with pytest.raises(TrainingError, match=message):
        build_network(name, 5, colour(side))
