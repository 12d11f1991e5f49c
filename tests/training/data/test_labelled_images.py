"""Pixels of arrays: what evaluation sees, and colours."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.contract import Colour, Input, Preprocessing, preprocess
from training.data.labelled_images import evaluation_batch, evaluation_pixels, in_colour, is_identity, to_picture


def noise(channels: int, count: int = 5, height: int = 9, width: int = 7) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("colour", list(Colour))
@pytest.mark.parametrize(
    "preprocessing", [Preprocessing(resize="squash", crop_fraction=0.5), Preprocessing(resize="crop")]
)
def test_what_preprocess_leaves_alone_is_not_looped_over(colour: Colour, preprocessing: Preprocessing) -> None:
    """The array itself comes back, and image by image it would have been the same."""
    images, target = noise(colour.channels), Input(colour=colour, height=9, width=7)
    assert evaluation_pixels(images, target, preprocessing) is images
    np.testing.assert_array_equal([preprocess(to_picture(image), target, preprocessing) for image in images], images)


@pytest.mark.parametrize(
    ("target", "preprocessing"),
    [
        (Input(colour=Colour.L, height=9, width=8), Preprocessing()),
        (Input(colour=Colour.RGB, height=9, width=7), Preprocessing()),
        (Input(colour=Colour.L, height=9, width=7), Preprocessing(crop_fraction=0.9)),
    ],
)
def test_all_else_goes_through_the_contract(target: Input, preprocessing: Preprocessing) -> None:
    """Another size, other colours, or a crop: each image as the service would see it, in order."""
    images = noise(1)
    assert not is_identity(images, target, preprocessing)
    expected = [preprocess(to_picture(image), target, preprocessing) for image in images]
    np.testing.assert_array_equal(evaluation_pixels(images, target, preprocessing), expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("colour", list(Colour))
def test_colours_are_those_of_pillow(channels: int, colour: Colour) -> None:
    """Converting all at once gives what converting each gives."""
    images = noise(channels, count=50)
    expected = [np.asarray(to_picture(image).convert(colour.value)).reshape(9, 7, -1) for image in images]
    np.testing.assert_array_equal(in_colour(images, colour), expected)


@pytest.mark.parametrize(("side", "images"), [(28, 256), (224, 41), (4096, 1)])
def test_large_images_are_evaluated_few_at_a_time(side: int, images: int) -> None:
    """About two million pixels a batch, and never none."""
    assert evaluation_batch(np.empty((0, side, side, 3), np.uint8)) == images
