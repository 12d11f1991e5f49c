"""What is read of a file before its decoder has a look at it."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from service.decoding.decode_cost import claimed_pixels, jpeg_marker_count, png_compressed_chunk_count
from tests.support.pictures import RED, encoded, picture, profile_bomb, progressive_bomb


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": b"Exif\0\0" + bytes(5000)}, {"quality": 100}])
def test_a_jpeg_says_its_size(options: dict[str, object]) -> None:
    """Whatever stands before the frame."""
    assert claimed_pixels(encoded(Image.new("RGB", (500, 375), RED), "JPEG", **options)) == 500 * 375


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1", "P", "I;16"])
def test_a_png_says_its_size(mode: str) -> None:
    """In any mode."""
    assert claimed_pixels(encoded(Image.new(mode, (37, 29)), "PNG")) == 37 * 29


@pytest.mark.parametrize("image_format", ["WEBP", "GIF", "BMP", "TIFF"])
def test_others_say_nothing(image_format: str) -> None:
    """They are decoded as before."""
    assert claimed_pixels(picture(RED, image_format=image_format)) is None


def test_a_frame_behind_many_segments_is_not_looked_for() -> None:
    """The look is short, whatever was sent."""
    plain = encoded(Image.new("RGB", (10, 10)), "JPEG")
    assert claimed_pixels(plain[:2] + b"\xff\xef\0\2" * 60 + plain[2:]) == 100
    assert claimed_pixels(plain[:2] + b"\xff\xef\0\2" * 64 + plain[2:]) is None


def test_a_fake_frame_is_not_believed() -> None:
    """In a PNG whose first chunk is another one, or behind a JPEG marker that has no length."""
    png = encoded(Image.new("L", (1000, 1000)), "PNG")
    text = b"\0\0\0\x08tEXt" + b"\0\0\0\1" * 2 + b"\0\0\0\0"
    assert claimed_pixels(png[:8] + text + png[8:]) is None
    jpeg = encoded(Image.new("L", (1000, 1000)), "JPEG")
    fake = b"\xff\xd0\0\6\xff\xfe\0\x0f\xff\xc0\0\x0b\x08\0\x0a\0\x0a\1\1\x11\0"
    assert claimed_pixels(jpeg[:2] + fake + jpeg[2:]) is None


@given(st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n"]), st.binary(max_size=300), st.integers(0, 700))
def test_any_bytes_have_an_answer(start: bytes, rest: bytes, cut: int) -> None:
    """Also where the file ends early."""
    real = io.BytesIO()
    Image.new("RGB", (9, 7)).save(real, "JPEG")
    for body in (start + rest, real.getvalue()[:cut]):
        assert (claimed_pixels(body) or 0) >= 0
        assert jpeg_marker_count(body) >= 0


def test_scans_are_counted() -> None:
    """Of a JPEG, whose decoder makes a pass for each."""
    assert jpeg_marker_count(progressive_bomb(100, side=400)) >= 100
    assert jpeg_marker_count(picture(RED, image_format="PNG") + b"\xff\xda" * 100) == 0


def test_packed_chunks_are_counted() -> None:
    """Of a PNG, where each of a KiB may become a MiB."""
    assert png_compressed_chunk_count(profile_bomb(20)) == 20
    assert png_compressed_chunk_count(picture()) == 0
    assert png_compressed_chunk_count(picture(RED, image_format="JPEG") + b"iCCP" * 20) == 0
