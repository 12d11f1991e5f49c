"""Random crops of training images."""

import numpy as np

from models.contract import Colour, Input, Preprocessing
from tests.training.conftest import striped
from training.optimize.training_crops import training_crops

TARGET = Input(colour=Colour.L, height=12, width=10)


def test_crops_are_of_two_halves_of_the_images_and_the_same_on_every_call() -> None:
    """As many as are needed, of the input's shape."""
    images = striped(9, seed=1)[0][..., None]
    first, again = (training_crops(images, TARGET, Preprocessing(), fewest=450) for _ in range(2))
    assert first.making.shape == (200, *TARGET.shape)
    assert first.testing.shape == (450, *TARGET.shape)
    assert len(set(first.made_of)) == 4
    np.testing.assert_array_equal(first.testing, again.testing)
    assert first.description == "random crops, each at least 30%, of 5 training images"
