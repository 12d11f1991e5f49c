"""The resize of a network of others: options, a file beside it, defaults."""

from pathlib import Path
from typing import Any, Literal

import pytest

from models.contract import Preprocessing
from training.errors import OnnxImportError
from training.importing.guesses import Guess
from training.importing.resize_choice import DescribedResize, choose_resize

CROP = DescribedResize(Path("config.json"), Preprocessing(crop_fraction=0.875, interpolation="lanczos"))
PAD = DescribedResize(
    Path("config.json"), Preprocessing(resize="pad", pad_colour=(124, 116, 104), interpolation="bicubic")
)
SQUASH = DescribedResize(Path("config.json"), Preprocessing(resize="squash", interpolation="bicubic"))


@pytest.mark.parametrize(
    ("described", "options", "expected"),
    [
        (None, {}, ("crop", 1, "bilinear")),
        (None, {"resize": "squash"}, ("squash", 1, "bilinear")),
        (None, {"crop_fraction": 0.9, "interpolation": "bicubic"}, ("crop", 0.9, "bicubic")),
        (CROP, {}, ("crop", 0.875, "lanczos")),
        (CROP, {"crop_fraction": 1.0}, ("crop", 1, "lanczos")),
        (CROP, {"interpolation": "bilinear"}, ("crop", 0.875, "bilinear")),
        (CROP, {"resize": "squash"}, ("squash", 1, "lanczos")),
        (SQUASH, {"crop_fraction": 0.9}, ("crop", 0.9, "bicubic")),
        (CROP, {"resize": "pad"}, ("pad", 1, "lanczos")),
        (PAD, {"resize": "squash"}, ("squash", 1, "bicubic")),
    ],
)
def test_options_go_before_the_file(
    described: DescribedResize | None, options: dict[str, Any], expected: tuple[str, float, str]
) -> None:
    """What neither names has its default."""
    made = choose_resize(list[Guess]().append, described=described, **options)
    assert (made.resize, made.crop_fraction, made.interpolation) == expected


def test_bits_in_use_are_sixteen_unless_they_are_given() -> None:
    """They are reported where they are given."""
    guesses = list[Guess]()
    assert [choose_resize(guesses.append, bits=bits).bits for bits in (None, 12)] == [16, 12]
    assert [(guess.value, guess.reason) for guess in guesses if guess.what == "bits"] == [
        ("12 of grey pictures with 16 bits", "--bits")
    ]


def test_the_reason_names_options_and_file() -> None:
    """With the part that a crop keeps."""
    guesses = list[Guess]()
    choose_resize(guesses.append, interpolation="bilinear", described=CROP)
    choose_resize(guesses.append)
    choose_resize(guesses.append, crop_fraction=0.9)
    choose_resize(guesses.append, resize="crop", crop_fraction=0.9)
    choose_resize(guesses.append, resize="crop", crop_fraction=0.9, interpolation="bicubic")
    assert guesses[0] == ("resize", "crop, 0.875 of each side, bilinear", "--interpolation; config.json")
    assert [guess.reason for guess in guesses[1:]] == [
        "--resize, --crop-fraction and --interpolation have their defaults",
        "--crop-fraction; --resize and --interpolation have their defaults",
        "--resize, --crop-fraction; --interpolation has its default",
        "--resize, --crop-fraction, --interpolation",
    ]


@pytest.mark.parametrize("resize", ["squash", "pad"])
def test_a_part_of_a_whole_picture_is_refused(resize: Literal["squash", "pad"]) -> None:
    """Both keep the whole picture, so that the fraction would be ignored."""
    with pytest.raises(OnnxImportError, match="leave one of the two out"):
        choose_resize(list[Guess]().append, resize=resize, crop_fraction=0.5)


def test_a_border_has_the_colour_of_the_option_or_of_the_file() -> None:
    """Black without either."""
    guesses = list[Guess]()
    assert choose_resize(guesses.append, described=PAD).pad_colour == (124, 116, 104)
    assert choose_resize(guesses.append, described=PAD, pad_colour=(1, 2, 3)).pad_colour == (1, 2, 3)
    assert choose_resize(guesses.append, described=CROP, resize="pad").pad_colour == (0, 0, 0)
    assert guesses[1] == ("resize", "pad, a border of RGB 1, 2, 3, bicubic", "--pad-colour; config.json")
    assert guesses[2].reason == "--resize; config.json"


def test_a_colour_without_a_border_is_refused() -> None:
    """It would be ignored."""
    others: tuple[dict[str, Any], ...] = ({}, {"resize": "crop"}, {"crop_fraction": 0.5})
    for options in others:
        with pytest.raises(OnnxImportError, match="give --resize pad, too"):
            choose_resize(list[Guess]().append, pad_colour=(1, 2, 3), **options)
