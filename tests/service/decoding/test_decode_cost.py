"""Costs are estimated from the bytes of a file, never from what it claims."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, JpegImagePlugin

from service.decoding.decode_cost import _WITH_LENGTH, SMALL_BYTES, may_be_small
from tests.support.pictures import RED, encoded, picture, profile_bomb, progressive_bomb


@pytest.mark.parametrize(
    "body",
    [
        progressive_bomb(100, side=400),
        encoded(Image.new("RGB", (10, 10)), "JPEG")[:2] + b"\xff\xe1\0\x0aExif\0\0xx" * 100,
        profile_bomb(100),
        bytes(SMALL_BYTES + 1),
    ],
    ids=["scans", "segments", "profiles", "bytes"],
)
def test_what_could_be_costly_is_not_even_opened_here(body: bytes) -> None:
    """Scans and metadata that repeat, and large files."""
    assert not may_be_small(body)


JPEG, PNG = encoded(Image.new("RGB", (10, 10)), "JPEG"), encoded(Image.new("RGB", (10, 10)), "PNG")
TAGS = b"II*\0\x08\0\0\0" + struct.pack("<H", 5000) + b"".join(struct.pack("<HHII", n, 3, 1, 0) for n in range(5000))
IHDR_END = 33
"""Position behind the first chunk of a PNG file."""


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize(
    "segments",
    [
        b"\xff\xfe\0\x02" * 5000,
        b"\xff\xe0\0\x02" * 5000,
        b"\xff\xdd\0\x04\0\0" * 5000,
        b"\xff\xfe\0\0" * 5000,
        b"\xff\xd0" * 5000,
        b"\xff" * 5000,
        b"\xff\xdb\0\x02" + b"\0" * 5000,
        b"\xff\xfe\0\x04\xff\xda" + b"\xff\xfe\0\x02" * 5000,
        b"\xff\xe1\xea\x74Exif\0\0" + TAGS,
        b"\xff\xe2\xea\x72MPF\0" + TAGS,
    ],
    ids=["comments", "APP0", "restarts", "no-length", "markers", "fill", "junk", "scan-in-comment", "exif", "mpf"],
)
def test_a_jpeg_file_with_a_long_header_is_not_opened_here(segments: bytes) -> None:
    """Pillow reads each segment and each tag in Python, in the event loop's thread."""
    assert may_be_small(JPEG)
    assert not may_be_small(JPEG[:2] + segments + JPEG[2:])


@pytest.mark.parametrize("kind", [b"tEXt", b"tRNS", b"eXIf", b"IDAT", b"xxXx"])
def test_a_png_file_with_many_chunks_is_not_opened_here(kind: bytes) -> None:
    """Before the pixels and behind them, whichever they are."""
    assert may_be_small(PNG)
    assert not may_be_small(PNG[:IHDR_END] + chunk(kind, b"") * 5000 + PNG[IHDR_END:])
    assert not may_be_small(PNG[:-12] + chunk(kind, b"") * 5000 + PNG[-12:])


def test_a_png_file_with_many_exif_tags_is_not_opened_here() -> None:
    """Reading 20,000 tags takes most of a second."""
    assert not may_be_small(PNG[:IHDR_END] + chunk(b"eXIf", TAGS) + PNG[IHDR_END:])


def test_the_segments_of_jpeg_files_are_those_of_pillow() -> None:
    """Where Pillow reads no length, the next bytes are read one by one."""
    assert {marker & 0xFF for marker, (_, _, reads) in JpegImagePlugin.MARKER.items() if reads} == _WITH_LENGTH


def test_an_ordinary_photo_is_small() -> None:
    """Progressive ones too."""
    photo = Image.effect_noise((500, 375), 60).convert("RGB")
    assert may_be_small(encoded(photo, "JPEG"))
    assert may_be_small(picture(icc_profile=bytes(3000)))
    assert may_be_small(encoded(photo, "JPEG", progressive=True))


def test_marks_of_another_format_do_not_count() -> None:
    """Bytes that would be costly in a JPEG cost nothing in a PNG, and the reverse."""
    assert may_be_small(picture(RED, image_format="PNG") + b"\xff\xda" * 100)
    assert may_be_small(picture(RED, image_format="JPEG") + b"iCCP" * 20)
    assert not may_be_small(profile_bomb(20))


@given(st.binary(max_size=500))
def test_random_bytes_are_judged(body: bytes) -> None:
    """Any bytes behind the signature of a JPEG or a PNG get an estimate and no exception."""
    assert may_be_small(b"\xff\xd8" + body) in {True, False}
    assert may_be_small(b"\x89PNG\r\n\x1a\n" + body) in {True, False}
