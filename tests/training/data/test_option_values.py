"""Sizes and colours as they are written."""

import pytest

from training.data.option_values import InputSize, parse_colour, parse_size


@pytest.mark.parametrize(
    ("written", "expected"),
    [(224, (224, 224)), ("224", (224, 224)), ("320x96", (320, 96)), ("96X320", (96, 320)), (InputSize(8, 9), (8, 9))],
)
def test_a_size_is_a_side_or_width_x_height(written: object, expected: tuple[int, int]) -> None:
    """The width comes first, as in the sizes of pictures."""
    assert parse_size(written) == expected
    assert str(parse_size("320x96")) == "320x96"
    assert str(parse_size(224)) == "224"


@pytest.mark.parametrize(
    "written", ["0", "5000", "320x", "x96", "320x96x3", "96x5000", "-4", "1e2", True, None, [3, 4]]
)
def test_anything_else_is_no_size(written: object) -> None:
    """The message shows both ways of writing."""
    with pytest.raises(ValueError, match="such as 224, or width x height such as 320x96, 1 to 4096 each, not"):
        parse_size(written)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("114", (114,) * 3), (114, (114,) * 3), ("1, 2,3", (1, 2, 3)), ([1, 2, 3], (1, 2, 3)), ((0, 0, 255), (0, 0, 255))],
)
def test_a_colour_is_three_numbers_or_one_for_grey(written: object, expected: tuple[int, int, int]) -> None:
    """As text and as numbers of a TOML file."""
    assert parse_colour(written) == expected


@pytest.mark.parametrize("written", ["256", "1,2", "red", "#727272", "", [1, 2, 3, 4], [], 0.5, "-1", "1,2,²", None])
def test_anything_else_is_no_colour(written: object) -> None:
    """The message shows how one is written."""
    with pytest.raises(ValueError, match="such as 114,114,114, or one number for grey, 0 to 255 each, not"):
        parse_colour(written)
