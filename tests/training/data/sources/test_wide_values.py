"""Pictures of 16 bits a channel: how many of the bits are in use, and what is said about it."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support.pictures import encoded, png_file
from training.data.sources.wide_values import (
    DEPTHS,
    WideValues,
    bits_of,
    choose_bits,
    measure_values,
    value_notes,
)


def grey(largest: int, usual: int | None = None) -> WideValues:
    return WideValues(largest, largest if usual is None else usual, grey=True)


def notes_on(pictures: list[WideValues | None]) -> list[str]:
    paths = [Path(f"{number}.png") for number in range(len(pictures))]
    return list(value_notes(paths, pictures, choose_bits(pictures)))


def wide_png(values: NDArray[np.uint16], colour_type: int) -> bytes:
    """Values [H, W, C] as a PNG of 16 bits. colour_type: 0 grey, 2 RGB, 4 grey and 6 RGB with transparency."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png_file((width, height, 16, colour_type, 0, 0, 0), zlib.compress(rows))


def measured(body: bytes) -> WideValues | None:
    with Image.open(io.BytesIO(body)) as image:
        return measure_values(image)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_the_largest_and_the_usual_value_are_measured(kind: str) -> None:
    """Of 2,000 pixels one hot one and one other may exceed the usual value."""
    values = np.full((40, 50), 4012, np.uint16)
    values[0, 0], values[7, 7] = 65535, 5000
    assert measured(encoded(Image.fromarray(values), kind)) == (65535, 4012, True)


@pytest.mark.parametrize(("channels", "colour_type"), [(3, 2), (2, 4), (4, 6)])
def test_of_colours_only_the_upper_eight_bits_are_known(channels: int, colour_type: int) -> None:
    """Pillow reads no more of them, nor of grey with transparency."""
    assert measured(wide_png(np.full((4, 5, channels), 3000, np.uint16), colour_type)) == (3071, 3071, False)


def test_other_pictures_are_not_measured() -> None:
    """Those of 8 bits, and a TIFF that says itself that it has 12."""
    packed = b"".join(struct.pack(">I", (4000 << 12 | 4000) << 8)[:3] for _ in range(8))
    tags = {256: 4, 257: 4, 258: 12, 259: 1, 262: 1, 273: 0, 277: 1, 278: 4, 279: len(packed)}
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    tiff = b"II" + struct.pack("<HIH", 42, 8, len(tags)) + entries + bytes(4) + packed
    assert measured(tiff) is None
    for mode in ("L", "RGB", "P", "1"):
        assert measured(encoded(Image.new(mode, (5, 4)))) is None


def test_the_chosen_bits_hold_the_value_and_no_fewer_do() -> None:
    """At most two bits more than the value needs, or the 8 of the network's input."""
    for value in range(1 << 16):
        bits = bits_of(value)
        assert bits in DEPTHS
        assert value < 1 << bits
        assert bits == 8 or value >= 1 << (bits - 2)


@pytest.mark.parametrize("seed", range(20))
def test_the_bits_do_not_depend_on_order_and_cover_all_of_a_few_pictures(seed: int) -> None:
    """Of fewer than 50 pictures; others have no say."""
    random = np.random.default_rng(seed)
    values = random.integers(0, 1 << random.integers(1, 17), random.integers(1, 50)).tolist()
    pictures: list[WideValues | None] = [grey(value) for value in values]
    bits = choose_bits([*pictures, None, WideValues(65535, 65535, grey=False)])
    assert bits == bits_of(max(values))
    assert choose_bits(pictures[::-1]) == bits


def test_without_grey_pictures_of_sixteen_bits_all_are_read() -> None:
    """Nothing is said then."""
    assert choose_bits([None, None]) == 16
    assert notes_on([None, None]) == []
    assert notes_on([grey(65000, 40000)] * 3) == []


def test_twelve_bits_are_said_in_one_sentence() -> None:
    """With the largest value, and how to have it otherwise."""
    (note,) = notes_on([grey(3000), None, grey(4012)])
    assert note == (
        "grey pictures of 16 bits use values up to 4,012 only: read as 12 bits, also by the service; --set bits=16 "
        "reads them as they are"
    )


def test_one_picture_with_a_marker_does_not_darken_all_others() -> None:
    """One in 100, rounded; it is named. Of fewer pictures than 50 every one counts."""
    pictures: list[WideValues | None] = [*[grey(4012)] * 59, grey(65535, 4012)]
    assert choose_bits(pictures) == 12
    assert notes_on(pictures)[1] == "larger values become white in 1 of 60: 59.png (65,535)"
    assert choose_bits(pictures[-40:]) == 16


def test_markers_in_all_pictures_are_pointed_out() -> None:
    """Whether the largest values matter is known to the owner of the pictures only."""
    (note,) = notes_on([grey(65535, 3900)] * 30)
    assert "up to 65,535, but in most 99.9 % of the pixels are at most 3,900, so they are dark: --set bits=12" in note


def test_dark_colours_are_pointed_out() -> None:
    """Their lower bits cannot be read."""
    (note,) = notes_on([WideValues(4095, 4095, grey=False)] * 3)
    assert note.startswith("3 pictures in colour have 16 bits a channel but values up to 4,095 only")
    assert notes_on([WideValues(65535, 65535, grey=False)] * 3) == []
