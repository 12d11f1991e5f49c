"""The images on which two forms of a network are compared."""

import numpy as np

from models.contract import Colour, Input
from training.importing.fixed_images import fixed_images

TARGET = Input(colour=Colour.RGB, height=20, width=12)


def test_the_first_two_are_black_and_white_and_the_others_noise() -> None:
    """All have the shape of the input; the noise gets coarser from image to image."""
    images = fixed_images(TARGET)
    assert images.shape == (5, 20, 12, 3)
    assert images.dtype == np.uint8
    assert [(image.min(), image.max()) for image in images[:2]] == [(0, 0), (255, 255)]
    changes = [(np.diff(image.astype(int), axis=0) != 0).mean() for image in images[2:]]
    assert changes == sorted(changes, reverse=True)
    assert changes[-1] > 0


def test_they_are_the_same_on_every_call() -> None:
    """Two runs compare the same images, so their differences are comparable."""
    np.testing.assert_array_equal(fixed_images(TARGET), fixed_images(TARGET))
