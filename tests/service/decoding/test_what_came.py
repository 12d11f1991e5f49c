"""What is no accepted image is named, with what to do about it."""

import base64
import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.contract import FORMATS, Preprocessing
from service.decoding.decode import DecodeLimits, decode
from service.decoding.what_came import refused_kind, transfer_damage
from service.errors import CorruptImage, UnsupportedFormat
from tests.support.bundles import INPUT
from tests.support.pictures import RED, encoded, picture

CASES = Path(__file__).parents[2] / "cases"
PHOTO = encoded(Image.effect_noise((64, 64), 80).convert("RGB"), "JPEG")


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("photo.jpg", PHOTO)
    return stream.getvalue()


def array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros((4, 4, 3), np.uint8))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("body", "name", "cure"),
    [
        ((CASES / "images/fake.heic").read_bytes(), "a HEIC photo", "export it as JPEG"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf" + bytes(100), "a HEIC photo", "Most Compatible"),
        ((CASES / "images/photo.jp2").read_bytes(), "a JPEG 2000 image", "convert"),
        (picture(image_format="JPEG2000", no_jp2=True), "a JPEG 2000 image", "convert"),
        (b"\xff\x0a" + bytes(30), "a JPEG XL image", "convert"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl ", "a JPEG XL image", "convert"),
        (b"8BPS\0\x01" + bytes(30), "a Photoshop file", "export"),
        (picture(image_format="PDF"), "a PDF document", "export the page"),
        (picture(image_format="ICO"), "an icon file", "convert"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "raw file", "export"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "a video", "one frame"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a video", "one frame"),
        (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x86\x81\x01", "a video", "one frame"),
        (b"RIFF\x24\0\0\0AVI LIST", "a video", "one frame"),
        ((CASES / "requests/gz_image").read_bytes(), "gzip-compressed", "uncompressed"),
        (gzip.compress(PHOTO), "gzip-compressed", "uncompressed"),
        (archive(), "a ZIP archive", "unpack"),
        (array(), "a NumPy array", "PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing", "render it as PNG"),
        (b'<?xml version="1.0"?>\n<!-- made by hand -->\n<svg width="3">', "an SVG drawing", "render it as PNG"),
        (b"\n<!DOCTYPE html>\n<html>", "an HTML page", "login or error page"),
        (b"\xef\xbb\xbf<html><body>", "an HTML page", "login or error page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>', "an XML document", "bytes of the image file"),
        (b'{"images": ["iVBORw0KGgo="]}', "JSON", "application/json"),
        (b'[\n  {"image": 1}]', "JSON", "application/json"),
        ((CASES / "requests/txt_base64").read_bytes(), "base64 text", "decoded bytes"),
        (base64.urlsafe_b64encode(PHOTO).rstrip(b"="), "base64 text", "decoded bytes"),
        (base64.encodebytes(picture(image_format="WEBP")), "base64 text", "decoded bytes"),
        (b"data:image/png;base64," + base64.b64encode(picture()), "a data URL", "application/json"),
        (b"DATA:image/jpeg;base64,/9j/", "a data URL", "application/json"),
        (b"https://example.org/cat.jpg\n", "the address of a file", "download"),
        (b"@photo.jpg", "the name of a file", "--data-binary"),
        (b"photos/cat.JPEG", "the name of a file", "--data-binary"),
        (b"[object File]", "JavaScript", "Blob"),
        (b'--b42\r\nContent-Disposition: form-data; name="image"\r\n\r\n', "a form", "multipart/form-data"),
    ],
)
def test_what_came_is_named_with_what_to_do(body: bytes, name: str, cure: str) -> None:
    """The detail of the refusal holds both, and the accepted formats."""
    with pytest.raises(UnsupportedFormat, match="accepted are JPEG, PNG") as caught:
        decode(body, INPUT, Preprocessing(), DecodeLimits(FORMATS, 1_000_000))
    assert name in caught.value.detail
    assert cure in caught.value.detail


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_format_that_is_taken_off_is_named(image_format: str) -> None:
    """A client learns that the file is whole, but of a format that this service does not accept."""
    others = tuple(name for name in FORMATS if name != image_format)
    kind = refused_kind(picture(image_format=image_format), others)
    assert kind is not None
    assert image_format in kind.name


@pytest.mark.parametrize("body", [b"", b"junk", b"\0" * 100, b"a sentence without an image", b"4711" * 20])
def test_what_is_not_known_is_not_guessed(body: bytes) -> None:
    """The plain refusal stays."""
    assert refused_kind(body, FORMATS) is None
    assert transfer_damage(body) is None


@pytest.mark.parametrize(
    "damaged",
    [
        PHOTO.translate(None, b"\r\n"),
        PHOTO.translate(None, b"\r\n\0"),
        picture(RED, image_format="JPEG").translate(None, b"\r\n\0"),
        picture().translate(None, b"\r\n"),
        picture().translate(None, b"\r\n\0"),
        picture().replace(b"\r\n", b"\n"),
        picture().replace(b"\n", b"\r\n"),
    ],
    ids=["jpeg", "jpeg-nul", "small-jpeg", "png", "png-nul", "png-lf", "png-crlf"],
)
def test_an_image_whose_line_ends_are_missing_names_curl(damaged: bytes) -> None:
    """`curl -d @photo.jpg` takes line ends out, and old versions zeros too."""
    with pytest.raises(CorruptImage, match="--data-binary"):
        decode(damaged, INPUT, Preprocessing(), DecodeLimits(FORMATS, 1_000_000))


@pytest.mark.parametrize("body", [PHOTO, picture()], ids=["jpeg", "png"])
@pytest.mark.parametrize("how", ["latin-1", "utf-8"])
def test_an_image_that_was_read_as_text_is_named(body: bytes, how: str) -> None:
    """Both ways in which a program makes text of bytes."""
    with pytest.raises(CorruptImage, match="binary mode"):
        decode(body.decode(how, "replace").encode(), INPUT, Preprocessing(), DecodeLimits(FORMATS, 1_000_000))


def test_a_truncated_jpeg_does_not_name_curl() -> None:
    """Its line ends are there."""
    with pytest.raises(CorruptImage, match="send the whole file again"):
        decode(PHOTO[: len(PHOTO) // 2], INPUT, Preprocessing(), DecodeLimits(FORMATS, 1_000_000))


@given(st.binary(max_size=3000))
def test_any_bytes_are_looked_at_without_an_exception(body: bytes) -> None:
    """Both functions return."""
    refused_kind(body, FORMATS)
    transfer_damage(body)
