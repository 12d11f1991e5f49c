"""A plain PNG is what Pillow's own reader makes of it; everything else is left to that."""

import io
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from service.decoding.plain_png import plain_png
from tests.support.pictures import encoded, picture, png_file

CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
COLOURS = {"L": 0, "RGB": 2, "LA": 4, "RGBA": 6}


def noise(mode: str, size: tuple[int, int], seed: int = 0) -> Image.Image:
    pixels = random.Random(seed).randbytes(size[0] * size[1] * CHANNELS[mode])
    return Image.frombytes(mode, size, pixels)


def by_pillow(body: bytes) -> Image.Image:
    with PngImagePlugin.PngImageFile(io.BytesIO(body), "") as image:
        image.load()
        return image


@pytest.mark.parametrize("mode", CHANNELS)
@pytest.mark.parametrize("size", [(1, 1), (28, 28), (7, 128), (128, 120)])
def test_the_picture_is_pillows(mode: str, size: tuple[int, int]) -> None:
    """Mode, size, pixels, format."""
    body = encoded(noise(mode, size))
    plain, usual = plain_png(body), by_pillow(body)
    assert plain is not None
    assert (plain.format, plain.mode, plain.size) == (usual.format, usual.mode, usual.size)
    assert plain.tobytes() == usual.tobytes()


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(CHANNELS)),
    st.integers(1, 9),
    st.integers(1, 9),
    st.lists(st.integers(0, 5), min_size=9, max_size=9),
    st.integers(-3, 3),
    st.integers(0, 2**32),
)
def test_rows_of_any_filter_are_pillows(
    mode: str, width: int, height: int, filters: list[int], longer: int, seed: int
) -> None:
    """Also of a filter that there is not, and of too few or too many bytes: then nothing is made up."""
    row = width * CHANNELS[mode]
    noisy = random.Random(seed)
    rows = b"".join(bytes([kind]) + noisy.randbytes(row) for kind in filters[:height])
    data = rows + bytes(longer) if longer > 0 else rows[: len(rows) + longer]
    body = png_file((width, height, 8, COLOURS[mode], 0, 0, 0), zlib.compress(data))
    plain = plain_png(body)
    if plain is not None:
        assert plain.tobytes() == by_pillow(body).tobytes()
    else:
        assert longer or 5 in filters


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_a_damaged_file_is_never_a_picture_that_pillow_refuses(data: st.DataObject) -> None:
    """Bytes changed or cut within the packed rows, with checksums that fit."""
    mode = data.draw(st.sampled_from(sorted(CHANNELS)))
    packed = bytearray(zlib.compress(b"".join(b"\1" + bytes(range(row, row + 8 * CHANNELS[mode])) for row in range(8))))
    for _ in range(data.draw(st.integers(0, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(packed)))
    body = png_file((8, 8, 8, COLOURS[mode], 0, 0, 0), bytes(packed[:cut]))
    plain = plain_png(body)
    assert plain is None or plain.tobytes() == by_pillow(body).tobytes()


GOOD = encoded(noise("RGB", (12, 9)))


@pytest.mark.parametrize("at", range(0, len(GOOD), 5))
def test_a_changed_byte_is_left_to_pillow(at: int) -> None:
    """Checksums cover all but themselves."""
    assert plain_png(GOOD[:at] + bytes([GOOD[at] ^ 1]) + GOOD[at + 1 :]) is None


@pytest.mark.parametrize("cut", [0, 1, 33, 44, 70, len(GOOD) - 1])
def test_a_cut_file_is_left_to_pillow(cut: int) -> None:
    """Wherever it ends."""
    assert plain_png(GOOD[:cut]) is None


PALETTE = Image.new("P", (8, 8), 3)
LEFT = {
    "a palette": encoded(PALETTE),
    "transparency": encoded(Image.new("RGB", (8, 8)), transparency=(0, 0, 0)),
    "a chunk more": encoded(Image.new("L", (8, 8)), dpi=(72, 72)),
    "16 bits": png_file((8, 8, 16, 0, 0, 0, 0), zlib.compress(bytes(8 * 17))),
    "1 bit": encoded(Image.new("1", (8, 8))),
    "interlaced": png_file((8, 8, 8, 0, 0, 0, 1), zlib.compress(bytes(200))),
    "other compression": png_file((8, 8, 8, 0, 1, 0, 0), zlib.compress(bytes(72))),
    "no pixels": png_file((0, 8, 8, 0, 0, 0, 0), zlib.compress(bytes(8))),
    "more pixels": encoded(Image.new("L", (129, 128))),
    "rows that Pillow decodes in parts": png_file(
        (2, 2, 8, 0, 0, 0, 0), b"\x78\x01" + b"\0\0\0\xff\xff" * 13_500 + zlib.compress(bytes(6))[2:]
    ),
    "a JPEG": picture(image_format="JPEG"),
}


@pytest.mark.parametrize("body", LEFT.values(), ids=LEFT)
def test_what_is_not_plain_is_left_to_pillow(body: bytes) -> None:
    """Chunks that say how to read the others, other samples, larger pictures, other files."""
    assert plain_png(body) is None


def test_a_picture_of_many_pixels_is_not_unpacked() -> None:
    """The header is looked at first."""
    assert plain_png(png_file((30_000, 30_000, 8, 2, 0, 0, 0), zlib.compress(bytes(1_000_000)))) is None
