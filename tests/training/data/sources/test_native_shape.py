"""Size and colours of the input by default."""

from pathlib import Path

import pytest

from models.contract import Colour, Input
from training.data.sources.native_shape import native_shape, shape_notes
from training.data.sources.open_image import Header


def headers(*kinds: tuple[int, int, int, bool]) -> list[Header]:
    """Of each kind `count` images of width x height, grey or not."""
    return [Header(b"", (width, height), grey) for count, width, height, grey in kinds for _ in range(count)]


def notes(found: list[Header]) -> tuple[str, ...]:
    paths = [Path(f"{number}.png") for number in range(len(found))]
    return shape_notes(paths, found, native_shape(found))


@pytest.mark.parametrize(
    ("kinds", "shape"),
    [
        ([(90, 28, 28, True), (1, 29, 29, True)], (28, 28, Colour.L)),
        ([(90, 28, 28, True), (1, 28, 28, False)], (28, 28, Colour.L)),
        ([(60, 28, 28, True), (40, 28, 28, False)], (28, 28, Colour.RGB)),
        ([(6, 12, 10, False), (5, 13, 10, False)], (12, 10, Colour.RGB)),
        ([(5, 12, 10, False), (5, 13, 10, False)], None),
        ([(9, 225, 10, True)], None),
        ([(9, 224, 224, True)], (224, 224, Colour.L)),
    ],
)
def test_the_majority_decides(kinds: list[tuple[int, int, int, bool]], shape: tuple[int, int, Colour] | None) -> None:
    """The size by more than half; grey by nine of ten, since colours may decide the class."""
    expected = None if shape is None else Input(width=shape[0], height=shape[1], colour=shape[2])
    assert native_shape(headers(*kinds)) == expected


def test_runs_of_before_asked_all_images() -> None:
    """When they are resumed, they still do."""
    assert native_shape(headers((90, 28, 28, True), (1, 29, 29, True)), unanimous=True) is None
    coloured = native_shape(headers((90, 28, 28, True), (1, 28, 28, False)), unanimous=True)
    assert coloured == Input(width=28, height=28, colour=Colour.RGB)


def test_pictures_that_are_all_alike_need_no_word() -> None:
    """Nor do large photos."""
    assert notes(headers((9, 28, 28, True))) == ()
    assert notes(headers((9, 640, 480, False), (9, 480, 640, False))) == ()


def test_odd_pictures_are_named() -> None:
    """The first five of them, with the options that treat them otherwise."""
    size, colour = notes(headers((90, 28, 28, True), (7, 30, 20, False)))
    assert size.startswith("7 of 97 images have another size than 28x28, the size of most, to which they are resized: ")
    assert "90.png (30x20), 91.png (30x20)" in size
    assert "94.png (30x20) and 2 more; another input is chosen as in --size 224" in size
    assert colour.startswith("7 of 97 images have colours, but most are grey, and so is the input: 90.png, 91.png")
    assert colour.endswith("--set colour=RGB keeps colours")
    (mixed,) = notes(headers((6, 28, 28, True), (4, 28, 28, False)))
    assert mixed == ("6 of 10 images are grey, but 4 have colours, and so has the input; --set colour=L makes it grey")


def test_small_or_grey_pictures_of_many_sizes_may_have_a_cheaper_input() -> None:
    """It is offered."""
    (small,) = notes(headers((3, 30, 20, False), (3, 40, 20, False), (3, 50, 20, False)))
    assert small == (
        "the images have 3 sizes, none that most of them share, so that the input is 224x224 RGB; most are small: "
        "--size 48 makes training and answers cheaper"
    )
    (grey,) = notes(headers((9, 640, 480, True)))
    assert grey == (
        "the images are large, so that the input is 224x224 RGB; most are grey: "
        "--set colour=L makes training and answers cheaper"
    )


def test_a_chosen_colour_is_not_talked_about() -> None:
    """Sizes still are."""
    found = headers((90, 28, 28, True), (7, 30, 20, False))
    paths = [Path(f"{number}.png") for number in range(len(found))]
    grey = native_shape(found)
    (note,) = shape_notes(paths, found, grey, chosen=Colour.L)
    assert note.startswith("7 of 97 images have another size")
    photos = headers((5, 640, 480, True), (5, 480, 640, True))
    assert shape_notes(paths[:10], photos, None, chosen=Colour.L) == ()


def test_photos_that_lie_on_their_side_count_as_upright() -> None:
    """A camera stores them in another direction; runs of before asked for the size as stored."""
    turned = [Header(b"", (28, 84), grey=False, sideways=True)] * 6
    found = [*turned, *headers((5, 84, 28, False))]
    assert native_shape(found) == Input(width=84, height=28, colour=Colour.RGB)
    assert notes(found) == ()
    assert notes([*found, *headers((1, 28, 84, False))])[0].startswith("1 of 12 images has another size than 84x28")
    assert native_shape(turned, unanimous=True) == Input(width=28, height=84, colour=Colour.RGB)
