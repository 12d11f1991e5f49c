"""A JPEG is whole without its end marker, and never when a pixel is missing."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.contract import FORMATS, Preprocessing
from service.decoding.decode import DecodeLimits, decode
from service.decoding.decode_cost import may_be_small
from service.decoding.jpeg_end import completed, lacks_end
from service.errors import CorruptImage
from tests.support.bundles import INPUT
from tests.support.pictures import RED, encoded, picture

CASES = Path(__file__).parents[2] / "cases/images"
PLAIN = (CASES / "plain.jpg").read_bytes()
LIMITS = DecodeLimits(FORMATS, 1_000_000)


def white_with_a_dark_corner() -> Image.Image:
    """The lost part differs from what a decoder guesses."""
    image = Image.new("RGB", (48, 48), "white")
    image.paste((0, 0, 0), (30, 40, 48, 48))
    return image


PICTURES = {
    "photo": Image.open(io.BytesIO(PLAIN)).resize((45, 60)),
    "noise": Image.effect_noise((33, 41), 80),
    "flat": Image.new("RGB", (40, 40), "white"),
    "grey": Image.new("RGB", (40, 40), (128, 128, 128)),
    "corner": white_with_a_dark_corner(),
}
KINDS: dict[str, dict[str, object]] = {
    "baseline": {},
    "optimized": {"optimize": True},
    "full colour": {"subsampling": 0},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 1},
    "restarts of rows": {"restart_marker_rows": 1},
    "progressive with restarts": {"progressive": True, "restart_marker_rows": 1},
}


def pixels(body: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(body)) as image:
        return np.asarray(image)


def is_wrong(whole: bytes, missing: int) -> bool:
    """Whether a file without its last `missing` bytes is accepted with other pixels."""
    accepted = completed(whole[:-missing])
    return accepted is not None and not np.array_equal(pixels(accepted), pixels(whole))


def test_a_missing_end_marker_does_not_make_an_image_truncated() -> None:
    """No pixel differs."""
    body = (CASES / "truncated_2.jpg").read_bytes()
    decoded = decode(body, INPUT, Preprocessing(), LIMITS, 1_000_000)
    np.testing.assert_array_equal(decoded.pixels, pixels(PLAIN))


@pytest.mark.parametrize("dense_pixels", [None, 1_000_000])
def test_a_jpeg_whose_last_pixels_are_missing_is_truncated(dense_pixels: int | None) -> None:
    """With an end marker appended it would decode with wrong pixels."""
    with pytest.raises(CorruptImage, match="truncated"):
        decode((CASES / "truncated_40.jpg").read_bytes(), INPUT, Preprocessing(), LIMITS, dense_pixels)


@pytest.mark.parametrize("quality", [30, 100])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PICTURES)
def test_no_cut_gives_other_pixels(name: str, kind: str, quality: int) -> None:
    """Every cut of the last 60 bytes, and every eleventh before; the marker alone, or its half, is not missed."""
    whole = encoded(PICTURES[name], "JPEG", quality=quality, **KINDS[kind])
    cuts = [*range(1, 60), *range(60, len(whole) - 2, 11)]
    assert not [missing for missing in cuts if is_wrong(whole, missing)]
    if kind != "progressive with restarts":
        assert [completed(whole[:-missing]) for missing in (1, 2)] == [whole, whole]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(1, 100),
    st.integers(0, 2**32 - 1),
    st.integers(1, 60),
)
def test_no_cut_of_any_picture_gives_other_pixels(
    kind: str, size: tuple[int, int], quality: int, seed: int, missing: int
) -> None:
    """Random pictures of any size and quality."""
    random = np.random.default_rng(seed)
    low, high = sorted(random.integers(0, 256, 2))
    image = Image.fromarray(random.integers(low, high + 1, (*size, 3), dtype=np.uint8))
    whole = encoded(image, "JPEG", quality=quality, **KINDS[kind])
    assert not is_wrong(whole, min(missing, len(whole) - 2))


def test_a_progressive_image_of_which_a_scan_is_missing_is_truncated() -> None:
    """Every row was decoded, but coarsely."""
    whole = encoded(PICTURES["photo"], "JPEG", progressive=True)
    scans = [position for position in range(len(whole)) if whole[position : position + 2] == b"\xff\xda"]
    tables = [whole.rindex(b"\xff\xc4", 0, scan) for scan in scans[1:]]
    assert not [cut for cut in (*scans, *tables) if completed(whole[:cut]) is not None]


def test_a_thumbnail_has_no_say() -> None:
    """The end marker of a picture in the EXIF data is not that of the image."""
    exif = b"Exif\0\0" + picture(RED, image_format="JPEG")
    whole = encoded(PICTURES["photo"], "JPEG", exif=exif)
    assert not lacks_end(whole)
    assert lacks_end(whole[:-2])
    assert completed(whole[:-2]) == whole
    assert completed(whole[:-20]) is None


def test_a_complete_file_is_not_judged() -> None:
    """Nothing to append; and other files are no JPEG."""
    assert completed(PLAIN) is None
    assert completed(picture()) is None
    assert completed(b"\xff\xd8\xff") is None


def test_what_lacks_an_end_is_decoded_in_a_worker() -> None:
    """It is decoded several times, so never in a process or a thread that others wait for."""
    assert may_be_small(PLAIN)
    assert not may_be_small(PLAIN[:-2])


@given(st.binary(max_size=200))
def test_any_bytes_are_judged_without_an_exception(tail: bytes) -> None:
    """Headers that lie too."""
    start = PLAIN.index(b"\xff\xc0")
    completed(PLAIN[:2] + tail)
    completed(PLAIN[:start] + tail)
