"""What a centre crop never shows."""

import pytest

from models.contract import Colour, Input, Preprocessing
from training.data.unseen_share import unseen_sentence

PHOTO = Input(colour=Colour.RGB, width=224, height=224)
SMALL = Input(colour=Colour.RGB, width=64, height=64)
CROP = Preprocessing()
WIDE, SQUARE, USUAL = (420, 100), (90, 100), (300, 200)


def test_wide_pictures_are_counted_with_what_is_lost() -> None:
    """The options that keep it are named, and a size of about as many pixels that fits."""
    assert unseen_sentence([WIDE] * 228 + [SQUARE] * 12, PHOTO, CROP) == (
        "228 of 240 pictures are wider or taller than 1.6:1: a centre crop never sees 76 % of a typical one; "
        "--resize squash or pad keeps all of it, or --size 416x96 fits their shape"
    )
    assert "--size 136x32 fits" in unseen_sentence([WIDE], SMALL, CROP)
    assert "--size 96x416 fits" in unseen_sentence([WIDE[::-1]], PHOTO, CROP)


def test_a_crop_fraction_leaves_even_less() -> None:
    """Of half of each side, a quarter of the area."""
    assert "never sees 94 % of" in unseen_sentence([WIDE], PHOTO, Preprocessing(crop_fraction=0.5))


@pytest.mark.parametrize(
    ("sizes", "fixed"),
    [([WIDE] * 120 + [SQUARE] * 120, False), ([WIDE] * 9 + [WIDE[::-1]] * 9, False), ([WIDE], True)],
    ids=["mixed", "wide-and-tall", "one-size"],
)
def test_no_size_is_offered_that_does_not_fit(sizes: list[tuple[int, int]], fixed: bool) -> None:
    """Pictures of several shapes, and networks of one size, are left to the other options."""
    sentence = unseen_sentence(sizes, PHOTO, CROP, fixed_size=fixed)
    assert sentence.endswith("--resize squash or pad keeps all of it")


@pytest.mark.parametrize(
    ("sizes", "target", "preprocessing"),
    [
        ([WIDE], PHOTO, Preprocessing(resize="squash")),
        ([WIDE], PHOTO, Preprocessing(resize="pad")),
        ([WIDE], Input(colour=Colour.RGB, width=416, height=96), CROP),
        ([USUAL], PHOTO, CROP),
        ([SQUARE] * 100 + [WIDE] * 5, PHOTO, CROP),
    ],
    ids=["squash", "pad", "fitting-input", "photos", "a-few"],
)
def test_nothing_is_said_where_little_is_lost(
    sizes: list[tuple[int, int]], target: Input, preprocessing: Preprocessing
) -> None:
    """Whole pictures, inputs of their shape, usual photos, and a few odd ones."""
    assert unseen_sentence(sizes, target, preprocessing) == ""


def test_an_input_of_another_shape_is_named() -> None:
    """Square pictures lose as much in a wide input as wide ones in a square input."""
    sentence = unseen_sentence([SQUARE], Input(colour=Colour.RGB, width=400, height=100), CROP)
    assert "more than 1.6 times as wide or tall as the input of 400x100" in sentence
