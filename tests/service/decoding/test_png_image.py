"""A PNG with damaged metadata keeps its pixels."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.contract import FORMATS, Preprocessing
from service.decoding.decode import Decoded, DecodeLimits, decode
from service.decoding.png_image import image_chunks
from service.errors import CorruptImage
from tests.support.bundles import INPUT
from tests.support.pictures import BLUE, RED, encoded, picture, png_chunk

CASES = Path(__file__).parents[2] / "cases/images"
PLAIN = (CASES / "plain.png").read_bytes()
BOMB = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2 << 20)))
BAD_CHECKSUM = png_chunk(b"tEXt", b"Comment\0text")[:-1] + b"\0"


def run(body: bytes) -> Decoded:
    return decode(body, INPUT, Preprocessing(), DecodeLimits(FORMATS, 1_000_000), 1_000_000)


def with_chunk(body: bytes, chunk: bytes, before: bytes) -> bytes:
    """before: the kind of the chunk that follows the new one."""
    position = body.index(before) - 4
    return body[:position] + chunk + body[position:]


@pytest.mark.parametrize("name", ["iccp_badcrc", "text_badcrc", "ztxt_2mb", "ztxt_after_idat"])
def test_damaged_or_large_metadata_change_no_pixel(name: str) -> None:
    """The pixels are those of the same picture without metadata."""
    np.testing.assert_array_equal(run((CASES / f"png_{name}.png").read_bytes()).pixels, run(PLAIN).pixels)


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize(
    "chunk",
    [
        BOMB,
        BAD_CHECKSUM,
        png_chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(2 << 20))),
        png_chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(2 << 20))),
        png_chunk(b"iCCP", b"profile\0\7"),
        png_chunk(b"gAMA", b"\0"),
        png_chunk(b"cHRM", b"\0"),
        png_chunk(b"eXIf", b"Exif")[:-1] + b"\0",
    ],
)
def test_every_kind_of_damaged_metadata_is_passed_over(chunk: bytes, before: bytes) -> None:
    """Before and after the pixels."""
    np.testing.assert_array_equal(run(with_chunk(PLAIN, chunk, before)).pixels, run(PLAIN).pixels)


def test_transparency_palette_and_orientation_are_kept() -> None:
    """A palette picture with a transparent colour and an EXIF orientation, and with damaged text."""
    image = Image.new("P", (20, 30), 1)
    image.putpalette([*RED, *BLUE])
    image.paste(0, (0, 0, 20, 10))
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = encoded(image, "PNG", transparency=0, exif=exif)
    damaged = run(with_chunk(whole, BAD_CHECKSUM, b"IDAT"))
    assert damaged.size == (30, 20)
    np.testing.assert_array_equal(damaged.pixels, run(whole).pixels)


def test_an_animation_gives_its_first_picture() -> None:
    """With and without damaged text."""
    first, second = Image.new("RGB", (40, 30), RED), Image.new("RGB", (40, 30), BLUE)
    body = encoded(first, "PNG", save_all=True, append_images=[second])
    np.testing.assert_array_equal(run(with_chunk(body, BOMB, b"IDAT")).pixels, run(body).pixels)


def test_a_file_without_metadata_is_not_copied() -> None:
    """There is nothing to leave out, and other formats are left alone."""
    assert image_chunks(PLAIN) is None
    assert image_chunks(picture(image_format="JPEG")) is None


def test_damaged_pixels_are_refused_with_and_without_metadata() -> None:
    """Metadata do not make a truncated picture whole."""
    noise = encoded(Image.effect_noise((200, 200), 80), "PNG")
    for body in (noise, with_chunk(noise, BAD_CHECKSUM, b"IDAT")):
        with pytest.raises(CorruptImage):
            run(body[: len(body) // 2])


def test_missing_data_are_not_passed_over() -> None:
    """A damaged chunk among those of the pixels is one of them."""
    data = zlib.compress(Image.effect_noise((200, 200), 80).tobytes())
    head = PLAIN[: 8 + 25]
    pieces = [data[:100], data[100:200], data[200:]]
    kinds = (b"IDAT", b"iDAT", b"IDAT")
    body = head + b"".join(map(png_chunk, kinds, pieces)) + png_chunk(b"IEND")
    assert image_chunks(body) is None


def test_very_many_chunks_are_not_followed() -> None:
    """The copy takes bounded time and memory whatever the file holds."""
    many = png_chunk(b"tEXt") * 200_000
    copied = image_chunks(with_chunk(PLAIN, many, b"IDAT"))
    assert copied is not None
    assert len(copied) < len(PLAIN)


@given(st.binary(max_size=300))
def test_any_chunks_are_copied_without_an_exception(tail: bytes) -> None:
    """Lengths that lie too."""
    image_chunks(PLAIN[:33] + tail)
    image_chunks(PLAIN[:33] + struct.pack(">I", 0xFFFFFFFF) + b"zTXt" + tail)


def test_the_copy_opens_as_the_file_did() -> None:
    """With every mode that PNG has."""
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        image = Image.new(mode, (9, 7), 1)
        body = encoded(image, "PNG")
        copied = image_chunks(with_chunk(body, BAD_CHECKSUM, b"IDAT"))
        assert copied is not None
        with Image.open(io.BytesIO(copied)) as again:
            assert (again.mode, again.tobytes()) == (mode, image.tobytes())
