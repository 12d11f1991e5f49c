"""Random crops of sample photos."""

import numpy as np
import pytest

from models.contract import Colour, Input, Preprocessing
from training.optimize.sample_photos import Crops, sample_crops

TARGET = Input(colour=Colour.RGB, height=12, width=10)
Pair = tuple[Crops, Crops]


@pytest.fixture(scope="module")
def crops() -> Pair:
    return sample_crops(TARGET, Preprocessing())


def titles(crops: Crops) -> set[str]:
    return set(crops.description.partition("photographs (")[2].partition(";")[0].split(", "))


def test_crops_have_the_shape_of_the_input_and_name_their_photos(crops: Pair) -> None:
    """As many as the description says, none of them empty."""
    for part in crops:
        assert part.pixels.shape[1:] == TARGET.shape
        assert part.description.startswith(f"{len(part.pixels)} random crops")
        assert part.pixels.std(axis=(1, 2, 3)).min() > 0


def test_crops_to_test_on_are_of_other_photos_than_those_to_make_with(crops: Pair) -> None:
    """No photo is in both descriptions."""
    making, testing = map(titles, crops)
    assert len(making) == 7
    assert len(testing) == 5
    assert not making & testing


def test_crops_are_the_same_on_every_call(crops: Pair) -> None:
    """A variant can be made again."""
    for first, second in zip(crops, sample_crops(TARGET, Preprocessing()), strict=True):
        np.testing.assert_array_equal(first.pixels, second.pixels)
