"""Pictures for judging a network."""

import io

import numpy as np
import pytest
from PIL import Image

from models.contract import Colour, Input, Preprocessing, preprocess
from training.importing.golden_photos import shipped_photos
from training.importing.varied_pictures import COUNT, varied_pictures


@pytest.mark.parametrize("colour", list(Colour))
def test_there_are_sixteen_and_no_two_are_equal(colour: Colour) -> None:
    """In colour and in grey, and the same ones again."""
    target = Input(colour=colour, height=24, width=32)
    pictures = varied_pictures(target, Preprocessing())
    assert pictures.shape == (COUNT, *target.shape)
    assert len({picture.tobytes() for picture in pictures}) == COUNT
    assert np.array_equal(pictures, varied_pictures(target, Preprocessing()))


def test_the_first_ones_are_the_golden_photos() -> None:
    """Their scores are the golden ones."""
    target = Input(colour=Colour.RGB, height=24, width=32)
    photos = [Image.open(io.BytesIO(photo.encoded)) for photo in shipped_photos()]
    pixels = [preprocess(photo, target, Preprocessing()) for photo in photos]
    assert np.array_equal(varied_pictures(target, Preprocessing())[: len(photos)], pixels)
