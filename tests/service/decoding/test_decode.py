"""Bytes become pixels, or the reason why not; nothing else."""

import struct
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.contract import FORMATS, Preprocessing
from service.decoding.decode import Decoded, DecodeLimits, decode
from service.errors import CorruptImage, ImageError, TooManyPixels, UnsupportedFormat
from tests.support.bundles import INPUT
from tests.support.pictures import RED, encoded, picture, png_chunk

HOW = Preprocessing()


LIMITS = DecodeLimits(FORMATS, max_pixels=1_000_000)


def run(body: bytes, limits: DecodeLimits = LIMITS) -> Decoded:
    return decode(body, INPUT, HOW, limits)


@pytest.mark.parametrize("image_format", FORMATS)
def test_every_accepted_format_is_decoded(image_format: str) -> None:
    """Red stays red."""
    decoded = run(picture(RED, image_format=image_format))
    assert decoded.pixels.shape == INPUT.shape
    assert decoded.pixels[8, 8, 0] > 200
    assert decoded.size == (40, 30)


@pytest.mark.parametrize("image_format", ["GIF", "TIFF", "WEBP"])
def test_of_several_frames_the_first_counts(image_format: str) -> None:
    """Animations and multi-page files are pictures too."""
    first, second = Image.new("RGB", (40, 30), RED), Image.new("RGB", (40, 30), "blue")
    body = encoded(first, image_format, save_all=True, append_images=[second])
    assert run(body).pixels[8, 8, 0] > 200


@pytest.mark.parametrize("body", [b"GET / HTTP/1.1", b"%PDF-1.7", b"<svg xmlns='x'/>", b"\0" * 100, picture()[:7]])
def test_what_is_no_image_is_called_so(body: bytes) -> None:
    """With the formats that would be accepted."""
    with pytest.raises(UnsupportedFormat, match="JPEG, PNG, WEBP"):
        run(body)


@pytest.mark.parametrize("image_format", ["PPM", "ICO", "TGA", "JPEG2000", "EPS", "PCX"])
def test_formats_that_are_not_listed_are_not_even_tried(image_format: str) -> None:
    """Pillow reads many more; this service does not."""
    with pytest.raises(UnsupportedFormat):
        run(picture(image_format=image_format))


def test_a_listed_format_can_be_taken_off() -> None:
    """Settings decide."""
    with pytest.raises(UnsupportedFormat, match="accepted are JPEG$"):
        run(picture(), DecodeLimits(("JPEG",), 1_000_000))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF"])
def test_a_truncated_file_is_corrupt(image_format: str) -> None:
    """Half a picture is not guessed at."""
    noise = Image.effect_noise((200, 200), 80).convert("RGB")
    body = encoded(noise, image_format)
    with pytest.raises(CorruptImage, match="truncated or damaged|send the whole file"):
        run(body[: len(body) * 2 // 3])


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises pixels and holds none."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT")


@pytest.mark.parametrize(("width", "height"), [(1001, 1000), (60_000, 60_000), (2_000_000, 1)])
def test_too_many_pixels_are_refused_from_the_header(width: int, height: int) -> None:
    """Nothing is decoded: the file has no pixels at all."""
    with pytest.raises(TooManyPixels, match=f"{width}x{height}"):
        run(png_header(width, height))


def test_a_decompression_bomb_within_the_limit_is_only_corrupt() -> None:
    """A header that lies about its data."""
    with pytest.raises(CorruptImage):
        run(png_header(1000, 1000))


def test_float_pixels_are_refused_with_the_reason() -> None:
    """A TIFF of floats has no defined brightness."""
    with pytest.raises(UnsupportedFormat, match="8 or 16 bits"):
        run(encoded(Image.new("F", (20, 20)), "TIFF"))


def test_a_stereo_jpeg_is_a_jpeg() -> None:
    """Phones write several pictures into one JPEG file (MPO)."""
    body = encoded(Image.new("RGB", (40, 30), RED), "MPO", save_all=True, append_images=[Image.new("RGB", (40, 30))])
    assert run(body).pixels[8, 8, 0] > 200


GOOD: dict[str, bytes] = {name: picture(RED, image_format=name) for name in FORMATS}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(FORMATS), st.data())
def test_a_damaged_file_never_surprises(image_format: str, data: st.DataObject) -> None:
    """Changed, cut or added bytes: pixels or an ImageError."""
    body = bytearray(GOOD[image_format])
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(body)))
    try:
        decoded = run(bytes(body[:cut]))
    except ImageError as error:
        assert error.detail
    else:
        assert decoded.pixels.shape == INPUT.shape


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=500))
def test_random_bytes_never_surprise(body: bytes) -> None:
    """Not one exception of Pillow's gets out."""
    with pytest.raises(ImageError):
        run(body)


def test_an_image_at_its_own_scale_has_a_limit_of_its_own() -> None:
    """The lower one counts."""
    assert decode(picture(RED, (40, 30)), INPUT, HOW, LIMITS, 1200).pixels.shape == (30, 40, 3)
    with pytest.raises(TooManyPixels, match="send at most 1199: the limit of dense classification"):
        decode(picture(RED, (40, 30)), INPUT, HOW, LIMITS, 1199)


_DAMAGED_METADATA = """
import io, struct, sys
from PIL import Image, TiffImagePlugin
from models.contract import FORMATS
from service.decoding.decode import DecodeLimits, opened
for number in range(100):
    tags = b"".join(struct.pack("<HHII", tag, 2, 1000 + tag, 0) for tag in range(number, number + 50))
    exif = b"Exif\\0\\0II*\\0\\x08\\0\\0\\0" + struct.pack("<H", 50) + tags
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG", exif=exif)
    opened(stream.getvalue(), DecodeLimits(FORMATS, 1000)).getexif()
print(len(getattr(TiffImagePlugin, "__warningregistry__", ())))
"""


def test_damaged_metadata_writes_nothing_and_takes_no_memory() -> None:
    """Python writes a warning to standard error and keeps its text; here a client would choose the text."""
    done = subprocess.run([sys.executable, "-c", _DAMAGED_METADATA], check=True, capture_output=True, text=True)
    assert done.stderr == ""
    assert int(done.stdout) <= 1
