"""One way from any picture to the network's pixels."""

import io
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from models.contract import (
    Colour,
    Input,
    Preprocessing,
    UnsupportedMode,
    preprocess,
    preprocess_native_size,
    preprocessed,
    region,
    sixteen_bit_values,
)
from tests.support.pictures import BLUE, GREEN, RED, encoded

SQUARE = Input(colour=Colour.RGB, height=24, width=24)
GREY = Input(colour=Colour.L, height=24, width=24)
WHOLE = Preprocessing()
LETTERBOX = Preprocessing(resize="pad", pad_colour=(255, 0, 255), interpolation="box")
_UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How an upright picture is stored for each EXIF orientation."""


def quarters(width: int = 48, height: int = 48) -> Image.Image:
    """Red at the upper left, green at the upper right, blue at the lower left, white at the lower right."""
    image = Image.new("RGB", (width, height), "white")
    image.paste(RED, (0, 0, width // 2, height // 2))
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    return image


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "I;16B"])
@pytest.mark.parametrize("target", [SQUARE, GREY], ids=["RGB", "L"])
def test_every_mode_arrives_as_the_models(mode: str, target: Input) -> None:
    """Whatever Pillow calls the pixels, the network gets uint8 in its own colour and size."""
    pixels = preprocess(Image.new(mode, (50, 30)), target, WHOLE)
    assert pixels.shape == target.shape
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "CMYK", "1", "LA", "I;16"])
def test_white_stays_white_in_every_mode(mode: str) -> None:
    """Conversion keeps the brightness."""
    if mode == "I;16":
        white = Image.fromarray(np.full((30, 30), 65535, np.uint16))
    else:
        white = Image.new("RGB", (30, 30), "white").convert(mode)
    assert white.mode == mode
    assert preprocess(white, SQUARE, WHOLE).min() == 255


def test_sixteen_bits_keep_their_upper_eight() -> None:
    """A 16-bit PNG of half brightness is half bright."""
    stored = Image.open(io.BytesIO(encoded(Image.fromarray(np.full((30, 30), 0x8040, np.uint16)))))
    assert np.unique(preprocess(stored, GREY, WHOLE)).tolist() == [0x80]


def tiff(
    values: NDArray[np.integer], bits: int = 16, *, order: str = "<", photometric: int = 1, sample_format: int = 1
) -> bytes:
    """Grey values [H, W] as an uncompressed TIFF with the tags that Pillow's writer does not offer."""
    height, width = values.shape
    if bits == 12:
        pairs = values.reshape(-1, 2).astype(np.uint32)
        body = b"".join(int(a << 12 | b).to_bytes(3, "big") for a, b in pairs)
    else:
        body = values.astype(f"{order}u{bits // 8}").tobytes()
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 0}
    tags |= {277: 1, 278: height, 279: len(body), 339: sample_format}
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(tags))
    return head + entries + bytes(4) + body


@pytest.mark.parametrize(
    ("stored", "seen"),
    [
        (tiff(np.full((30, 30), 0x8040)), 0x80),
        (tiff(np.full((30, 30), 0x8040), order=">"), 0x80),
        (tiff(np.full((30, 30), 0x804), 12), 0x80),
        (tiff(np.full((30, 30), 0x8040), photometric=0), 0x7F),
    ],
    ids=["little-endian", "big-endian", "12 bits", "white is zero"],
)
def test_every_grey_tiff_keeps_its_brightness(stored: bytes, seen: int) -> None:
    """Whatever the byte order, the depth, and which end is white."""
    assert np.unique(preprocess(Image.open(io.BytesIO(stored)), GREY, WHOLE)).tolist() == [seen]


def sixteen_bit_png(values: NDArray[np.integer]) -> bytes:
    """Values [H, W] as a grey PNG of 16 bits."""
    return encoded(Image.fromarray(values.astype(np.uint16)))


@given(st.integers(8, 16), st.integers(0, 65535), st.integers(0))
def test_the_upper_eight_of_the_bits_in_use_are_read(bits: int, largest: int, seed: int) -> None:
    """Of grey files that say 16 bits; what is larger is white, and no value is darker than a smaller one."""
    values = np.random.default_rng(seed).integers(0, largest, (24, 24), np.uint16, endpoint=True)
    seen = preprocess(Image.open(io.BytesIO(sixteen_bit_png(values))), GREY, Preprocessing(bits=bits))[:, :, 0]
    expected = np.minimum(values.astype(int) * 256 // 2**bits, 255)
    np.testing.assert_array_equal(seen, expected)


@given(st.integers(8, 16))
def test_eight_bits_in_a_file_of_sixteen_are_those_eight(bits: int) -> None:
    """A picture shows the same whether 8 bits are stored as they are or as the upper ones of those in use."""
    values = np.arange(24 * 24, dtype=np.uint8).reshape(24, 24)
    wide = values.astype(np.uint16) << (bits - 8)
    stored = preprocess(Image.open(io.BytesIO(sixteen_bit_png(wide))), GREY, Preprocessing(bits=bits))
    np.testing.assert_array_equal(stored[:, :, 0], values)


@pytest.mark.parametrize(
    ("stored", "seen"),
    [
        (tiff(np.full((30, 30), 0x804)), 0x80),
        (tiff(np.full((30, 30), 0x804), order=">"), 0x80),
        (tiff(np.full((30, 30), 0x804), photometric=0), 0x7F),
        (tiff(np.full((30, 30), 0x2000), photometric=0), 0),
        (tiff(np.full((30, 30), 0x2000)), 0xFF),
        (tiff(np.full((30, 30), 0x804), 12), 0x80),
        (sixteen_bit_png(np.full((30, 30), 0x804)), 0x80),
    ],
    ids=["little-endian", "big-endian", "white is zero", "beyond, white is zero", "beyond", "packed", "png"],
)
def test_twelve_bits_in_a_file_of_sixteen_are_read_as_twelve(stored: bytes, seen: int) -> None:
    """With `bits` 12; a TIFF that packs 12 bits says so itself."""
    for bits in (12, 10) if seen == 0xFF else (12,):
        how = Preprocessing(bits=bits)
        assert np.unique(preprocess(Image.open(io.BytesIO(stored)), GREY, how)).tolist() == [seen]


def test_a_camera_of_twelve_bits_keeps_its_brightness() -> None:
    """A smooth picture of values 0 to 4095 has a mean of 127 with 12 bits, where all 16 leave 16 grey levels."""
    wide = np.linspace(0, 4095, 90_000).astype(np.int64).reshape(300, 300)
    for body in (sixteen_bit_png(wide), tiff(wide)):
        means = [
            preprocess(Image.open(io.BytesIO(body)), GREY, Preprocessing(bits=bits)).mean().round() for bits in (12, 16)
        ]
        assert means == [127, 7]


def test_a_file_that_packs_twelve_bits_is_read_as_it_says() -> None:
    """Whatever the bits of the others, and pictures of 8 bits too."""
    packed, eight = tiff(np.full((30, 30), 0x804), 12), encoded(Image.new("L", (30, 30), 0x80))
    for body in (packed, eight):
        assert np.unique(preprocess(Image.open(io.BytesIO(body)), GREY, Preprocessing(bits=9))).tolist() == [0x80]


def test_sixteen_bit_values_are_those_of_files_that_say_sixteen() -> None:
    """Not of packed ones, nor of other pictures."""
    images = (tiff(np.full((30, 30), 0x804)), tiff(np.full((30, 30), 0x804), 12), encoded(Image.new("L", (30, 30))))
    first, *others = (sixteen_bit_values(Image.open(io.BytesIO(body))) for body in images)
    assert first is not None
    assert (first.shape, first.dtype.name, int(first.max())) == ((30, 30), "uint16", 0x804)
    assert others == [None, None]


@pytest.mark.parametrize(("bits", "sample_format"), [(32, 1), (32, 2), (16, 2)])
def test_tiffs_of_other_integers_are_refused(bits: int, sample_format: int) -> None:
    """32 bits and signed values would come out all black or all white."""
    stored = Image.open(io.BytesIO(tiff(np.full((30, 30), 0x4000), bits, sample_format=sample_format)))
    with pytest.raises(UnsupportedMode, match="without a sign"):
        preprocess(stored, SQUARE, WHOLE)


def test_sixteen_bits_need_no_second_copy_of_full_size() -> None:
    """Three bytes a pixel: the values as Pillow hands them out, and the upper halves."""
    stored = Image.fromarray(np.zeros((1000, 1000), np.uint16))
    tracemalloc.start()
    preprocess(stored, GREY, Preprocessing(bits=12))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_200_000  # Pillow joins its rows once


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_pixels_without_a_defined_range_are_refused(mode: str) -> None:
    """No guess is made about what a float, a 32-bit integer or a LAB value looks like."""
    with pytest.raises(UnsupportedMode, match="8 or 16 bits"):
        preprocess(Image.new(mode, (30, 30)), SQUARE, WHOLE)


def test_transparent_pixels_show_the_stated_background() -> None:
    """Hidden colour below full transparency never reaches the network."""
    hidden = Image.new("RGBA", (30, 30), (*RED, 0))
    how = Preprocessing(background=(1, 2, 3))
    assert np.unique(preprocess(hidden, SQUARE, how).reshape(-1, 3), axis=0).tolist() == [[1, 2, 3]]


def test_a_palette_with_a_transparent_colour_is_composited() -> None:
    """A GIF-like transparent index counts as transparency."""
    image = Image.new("P", (30, 30), 5)
    image.putpalette([*RED] * 256)
    image.info["transparency"] = 5
    assert preprocess(image, SQUARE, WHOLE).min() == 255


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(24, 24), (96, 48), (480, 960)])
def test_exif_orientation_is_applied(orientation: int, size: tuple[int, int]) -> None:
    """A picture stored turned or mirrored looks the same as the upright one."""
    upright = quarters(*size)
    stored = upright.transpose(_UNDO[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    for image_format in ("JPEG", "PNG", "WEBP", "TIFF"):
        body = encoded(stored, image_format, exif=exif)
        pixels = preprocess(Image.open(io.BytesIO(body)), SQUARE, WHOLE)
        corners = [pixels[4, 4], pixels[4, -5], pixels[-5, 4], pixels[-5, -5]]
        for corner, colour in zip(corners, (RED, GREEN, BLUE, (255, 255, 255)), strict=True):
            assert np.abs(corner.astype(int) - colour).max() < 40, image_format


def test_damaged_exif_counts_as_upright() -> None:
    """A picture is not refused for its metadata."""
    image = quarters()
    body = encoded(image, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff broken")
    assert preprocess(Image.open(io.BytesIO(body)), SQUARE, WHOLE).shape == SQUARE.shape


@pytest.mark.parametrize("size", [(1, 10_000), (10_000, 1), (1, 1), (3, 50_000)])
def test_extreme_shapes_cost_no_memory(size: tuple[int, int]) -> None:
    """A line of pixels becomes the target size directly, never a giant in between."""
    assert preprocess(Image.new("RGB", size, RED), SQUARE, WHOLE)[0, 0].tolist() == list(RED)


def test_crop_takes_the_middle() -> None:
    """With a crop fraction of one half only the inner quarter is seen."""
    image = Image.new("RGB", (80, 40), RED)
    image.paste(GREEN, (30, 10, 50, 30))
    pixels = preprocess(image, SQUARE, Preprocessing(crop_fraction=0.5, interpolation="nearest"))
    assert np.unique(pixels.reshape(-1, 3), axis=0).tolist() == [list(GREEN)]


def test_squash_keeps_the_edges() -> None:
    """The whole picture is seen, its aspect ratio given up."""
    pixels = preprocess(quarters(96, 30), SQUARE, Preprocessing(resize="squash"))
    assert pixels[0, 0].tolist() == list(RED)
    assert pixels[0, -1].tolist() == list(GREEN)


def test_pad_keeps_the_whole_picture_and_its_proportions() -> None:
    """A wide picture lies in the middle, with its colour of padding above and below."""
    pixels = preprocess(quarters(96, 32), SQUARE, LETTERBOX)
    assert np.unique(pixels[[*range(8), *range(16, 24)]].reshape(-1, 3), axis=0).tolist() == [[255, 0, 255]]
    assert [pixels[y, x].tolist() for y, x in ((8, 0), (8, 23), (15, 0))] == [list(RED), list(GREEN), list(BLUE)]


def test_padding_is_no_background() -> None:
    """Transparent pixels have their own colour, and grey inputs the brightness of both."""
    letterbox = Preprocessing(resize="pad", background=(200, 200, 200), pad_colour=(0, 255, 0))
    for mode in ("RGBA", "LA"):
        pixels = preprocess(Image.new(mode, (40, 20)), GREY, letterbox)
        assert (pixels[0, 0, 0], pixels[12, 12, 0]) == (150, 200)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
@pytest.mark.parametrize("target", [SQUARE, GREY], ids=["RGB", "L"])
def test_every_mode_is_padded(mode: str, target: Input) -> None:
    """A letterbox has the network's colour and size for all pixel formats."""
    pixels = preprocess(Image.new(mode, (50, 30)), target, LETTERBOX)
    assert pixels.shape == target.shape
    assert pixels.flags.c_contiguous
    assert not pixels.flags.writeable


@pytest.mark.parametrize("size", [(1, 10_000), (10_000, 1), (1, 1), (3, 50_000)])
def test_a_padded_line_keeps_a_pixel(size: tuple[int, int]) -> None:
    """Even of the thinnest picture something is seen."""
    pixels = preprocess(Image.new("RGB", size, RED), Input(colour=Colour.RGB, height=24, width=36), LETTERBOX)
    assert (pixels == RED).all(axis=2).any()


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    room=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    orientation=st.integers(1, 8),
)
def test_a_padded_picture_is_whole_wherever_it_is_stored(
    size: tuple[int, int], room: tuple[int, int], orientation: int
) -> None:
    """All of any picture is inside, centred, in its proportions, where `region` says, and turned as upright ones."""
    target = Input(colour=Colour.RGB, width=room[0], height=room[1])
    upright = Image.new("RGB", size, GREEN)
    pixels = preprocess(upright, target, LETTERBOX)
    inside = (pixels == GREEN).all(axis=2)
    assert ((pixels == (255, 0, 255)).all(axis=2) | inside).all()
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    assert inside.sum() == len(rows) * len(columns)
    scale = min(room[0] / size[0], room[1] / size[1])
    assert abs(len(columns) - max(1, size[0] * scale)) <= 0.5
    assert abs(len(rows) - max(1, size[1] * scale)) <= 0.5
    left, top, right, bottom = region(size, target, LETTERBOX)
    assert -left * len(columns) == pytest.approx(columns[0])
    assert (right - left) * len(columns) == pytest.approx(room[0])
    assert -top * len(rows) == pytest.approx(rows[0])
    assert (bottom - top) * len(rows) == pytest.approx(room[1])
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = upright.transpose(_UNDO[orientation]) if orientation > 1 else upright
    body = encoded(stored, "PNG", exif=exif)
    np.testing.assert_array_equal(preprocess(Image.open(io.BytesIO(body)), target, LETTERBOX), pixels)


@pytest.mark.parametrize("size", [(1601, 401), (401, 1601), (1603, 1599)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_padded_jpeg_is_decoded_small_and_looks_the_same(size: tuple[int, int], orientation: int) -> None:
    """Scaled decoding leaves enough pixels, and rounds the letterbox as decoding in full does."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    target, body = Input(colour=Colour.RGB, width=48, height=24), encoded(quarters(*size), "JPEG", exif=exif)
    small, full = Image.open(io.BytesIO(body)), Image.open(io.BytesIO(body))
    full.load()
    reduced, whole = preprocessed(small, target, LETTERBOX), preprocessed(full, target, LETTERBOX)
    assert small.width < full.width
    assert reduced.size == whole.size == (size if orientation == 1 else size[::-1])
    padding = [(each.pixels == (255, 0, 255)).all(axis=2) for each in (reduced, whole)]
    np.testing.assert_array_equal(*padding)
    assert np.abs(reduced.pixels.astype(int) - whole.pixels).mean() < 3


def test_a_large_jpeg_is_decoded_small_and_looks_the_same() -> None:
    """Scaled decoding stays close to decoding in full."""
    body = encoded(quarters(1600, 1600), "JPEG", quality=95)
    reduced = Image.open(io.BytesIO(body))
    pixels = preprocess(reduced, SQUARE, WHOLE)
    full = Image.open(io.BytesIO(body))
    full.load()
    assert reduced.width == 200
    assert np.abs(pixels.astype(int) - preprocess(full, SQUARE, WHOLE)).mean() < 2


def test_region_says_what_was_seen() -> None:
    """The heatmap of a wide picture lies in its middle."""
    assert region((200, 100), SQUARE, WHOLE) == (0.25, 0, 0.75, 1)


def test_the_region_of_a_padded_picture_reaches_beyond_it() -> None:
    """The heatmap of a wide picture has as much above and below as the letterbox."""
    assert region((200, 100), SQUARE, LETTERBOX) == (0, -0.5, 1, 1.5)


def test_pixels_of_the_target_size_are_left_alone() -> None:
    """An image that already fits is not resampled."""
    source = np.random.default_rng(0).integers(0, 256, (24, 24), np.uint8)
    assert (preprocess(Image.fromarray(source), GREY, WHOLE)[:, :, 0] == source).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "I;16B"])
@pytest.mark.parametrize("target", [SQUARE, GREY], ids=["RGB", "L"])
def test_its_own_scale_is_the_same_way(mode: str, target: Input) -> None:
    """Where nothing is resized or cropped, the same pixels; else as many as the picture has."""
    image = Image.new(mode, (24, 24), 90) if mode.startswith(("P", "I;16")) else quarters(24, 24).convert(mode)
    np.testing.assert_array_equal(preprocess_native_size(image, target, WHOLE).pixels, preprocess(image, target, WHOLE))
    larger, size = preprocess_native_size(Image.new(mode, (50, 30)), target, WHOLE)
    assert size == (50, 30)
    assert larger.shape == (30, 50, target.colour.channels)
    assert larger.dtype == np.uint8


def test_its_own_scale_is_upright() -> None:
    """Turned as the EXIF orientation says; a JPEG is decoded in full."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.open(io.BytesIO(encoded(quarters(64, 32), "JPEG", exif=exif, quality=95)))
    pixels, size = preprocess_native_size(stored, SQUARE, WHOLE)
    assert size == (32, 64)
    assert pixels.shape == (64, 32, 3)
    assert pixels[5, 5].argmax() == 2
    assert pixels[5, 25].argmax() == 0
