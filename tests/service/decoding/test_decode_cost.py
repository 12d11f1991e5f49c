"""Costs are estimated from the bytes of a file, never from what it claims."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from service.decoding.decode_cost import SMALL_BYTES, may_be_small
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
