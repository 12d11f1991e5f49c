"""Any body becomes images or a clear problem."""

import asyncio
import base64
import json
from pathlib import Path

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st

from service.api.v1 import body_parser
from service.errors import MalformedBody, ServiceError, TooManyImages

CASES = Path(__file__).parents[3] / "cases/requests"
"""Bodies that clients sent and that were refused, as they were."""
BOUNDARY = "----cut"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def images_of(body: bytes, content_type: str, max_images: int) -> list[body_parser.EncodedImage]:
    return asyncio.run(body_parser.parse_body(body, content_type, max_images)).images


def form(*parts: tuple[str, bytes]) -> bytes:
    """A multipart body of (Content-Disposition parameters, data)."""
    pieces = [
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data + b"\r\n"
        for head, data in parts
    ]
    return b"".join(pieces) + f"--{BOUNDARY}--\r\n".encode()


def file(data: bytes, name: str = "image") -> tuple[str, bytes]:
    return f'name="{name}"; filename="photo.jpg"', data


@pytest.mark.parametrize("content_type", ["", "image/jpeg", "text/html", "application/x-www-form-urlencoded", "junk"])
def test_any_other_media_type_means_the_image_itself(content_type: str) -> None:
    """The header is never trusted for the format."""
    assert images_of(b"bytes", content_type, 4) == [b"bytes"]


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_a_form_gives_its_files_in_order(files: list[bytes]) -> None:
    """Whatever bytes they hold, line breaks and boundary-like text included."""
    assert images_of(form(*map(file, files)), FORM, 4) == files


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_json_gives_its_images_in_order(files: list[bytes]) -> None:
    """Base64 round trip."""
    body = json.dumps({"images": [base64.b64encode(data).decode() for data in files]}).encode()
    assert images_of(body, "application/json; charset=utf-8", 4) == files


@pytest.mark.parametrize(
    ("name", "content_type", "begins"),
    [
        ("js_bom", "application/json", b"\x89PNG"),
        ("js_text_json", "text/json", b"\x89PNG"),
        ("js_urlsafe", "application/json", b"\xff\xd8\xff"),
        ("mp_no_filename_ctype_image", "multipart/form-data; boundary=frontier42", b"\x89PNG"),
        ("mp_file_then_topk", "multipart/form-data; boundary=frontier42", b"\x89PNG"),
        ("mp_preamble", "multipart/form-data; boundary=frontier42", b"\x89PNG"),
    ],
)
def test_bodies_of_common_clients_are_read(name: str, content_type: str, begins: bytes) -> None:
    """A byte order mark, `text/json`, URL-safe base64, options, no file name, text before the first boundary."""
    (image,) = images_of((CASES / name).read_bytes(), content_type, 4)
    assert isinstance(image, bytes)
    assert image.startswith(begins)


def test_a_form_without_carriage_returns_says_so() -> None:
    """Forms that are written by hand often lack them."""
    with pytest.raises(MalformedBody, match="end with LF alone.*with CR LF.*curl -F"):
        images_of((CASES / "mp_lf_only").read_bytes(), "multipart/form-data; boundary=frontier42", 4)


@given(st.binary(max_size=300).filter(lambda text: BOUNDARY.encode() not in text))
def test_text_before_the_first_boundary_is_ignored(preamble: bytes) -> None:
    """RFC 2046 allows any; a boundary begins at a line of its own."""
    assert images_of(preamble + b"\r\n" + form(file(b"picture")), FORM, 4) == [b"picture"]


def test_a_long_preamble_is_refused() -> None:
    """The first boundary is looked for in one step."""
    with pytest.raises(MalformedBody, match="cannot be parsed"):
        images_of(b"a" * 16_384 + b"\r\n" + form(file(b"picture")), FORM, 4)


@pytest.mark.parametrize("content_type", ["image/png", "Image/X-Unknown; a=b", "application/octet-stream"])
def test_a_part_with_the_type_of_an_image_needs_no_file_name(content_type: str) -> None:
    """HTTP libraries of several languages send parts this way."""
    part = f'name="image"\r\nContent-Type: {content_type}', b"picture"
    assert images_of(form(part), FORM, 4) == [b"picture"]


def test_a_field_named_as_an_option_is_one() -> None:
    """Before or behind the images; its value is text, not validated yet."""
    body = form(('name="top_k"', b"3"), file(b"picture"), ('name="explain"\r\nContent-Type: text/plain', b"heatmap"))
    parsed = asyncio.run(body_parser.parse_body(body, FORM, 4))
    assert parsed == ([b"picture"], {"top_k": "3", "explain": "heatmap"})


def test_an_option_twice_in_a_form_is_refused() -> None:
    """Which of the two is meant is unknown."""
    with pytest.raises(RequestValidationError):
        images_of(form(('name="top_k"', b"3"), ('name="top_k"', b"3"), file(b"picture")), FORM, 4)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("topk", "did you mean top_k?"),
        ("model", "name the model in the path"),
        ("image", "the names are coverage, dense, explain, top_k"),
        ("x" * 900, "the names are coverage, dense, explain, top_k"),
    ],
)
def test_another_field_is_refused_with_its_name(name: str, meant: str) -> None:
    """A typing error would go unnoticed; of a long name only the beginning is repeated."""
    with pytest.raises(MalformedBody) as caught:
        images_of(form(file(b"picture"), (f'name="{name}"', b"1")), FORM, 4)
    assert f"the field '{name[:64]}' of the form is neither a file nor an option" in caught.value.detail
    assert meant in caught.value.detail
    assert "send images as files, as in curl -F image=@photo.jpg" in caught.value.detail
    assert len(caught.value.detail) < 300


def test_the_value_of_an_option_is_short() -> None:
    """A picture in a field named as an option is found at its first bytes."""
    with pytest.raises(MalformedBody, match="the option top_k has more than 64 bytes"):
        images_of(form(('name="top_k"', b"1" * 65)), FORM, 4)


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"[]", "application/json", "images"),
        (b"whatever", "multipart/form-data", "boundary"),
        (b"whatever", FORM, "form"),
        (form(file(b"picture"))[:-20], FORM, "closing boundary"),
    ],
)
def test_a_body_that_does_not_parse_is_explained(body: bytes, content_type: str, reason: str) -> None:
    """The detail says where."""
    with pytest.raises(MalformedBody) as caught:
        images_of(body, content_type, 4)
    assert reason in caught.value.detail


def test_the_number_of_images_is_limited() -> None:
    """In both forms that can hold several."""
    with pytest.raises(TooManyImages, match="more than 4"):
        images_of(form(*[file(b"x")] * 5), FORM, 4)
    with pytest.raises(TooManyImages, match="more than 4"):
        images_of(json.dumps({"images": ["aGk="] * 5}).encode(), "application/json", 4)


@given(st.binary(max_size=2000), st.sampled_from([FORM, "multipart/form-data; boundary=a", "application/json"]))
def test_random_bodies_never_surprise(body: bytes, content_type: str) -> None:
    """Images or an error of the domain, nothing else."""
    try:
        assert images_of(body, content_type, 4)
    except ServiceError as error:
        assert error.detail


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_form_never_surprises(position: int, value: int) -> None:
    """One byte changed anywhere."""
    body = bytearray(form(file(b"picture one"), ('name="note"', b"hello"), file(b"picture two")))
    body[position % len(body)] = value
    try:
        images_of(bytes(body), FORM, 4)
    except ServiceError as error:
        assert error.detail


def test_an_encoded_file_name_is_a_file_name() -> None:
    """RFC 5987, as some clients send names that are not ASCII."""
    assert images_of(form(("name=\"image\"; filename*=UTF-8''f%C3%BC.jpg", b"picture")), FORM, 4) == [b"picture"]


def test_a_part_names_itself_once() -> None:
    """And briefly: taking parameters apart takes time."""
    for head in ('name="a"; filename="b"\r\nContent-Disposition: form-data', f'name="{"a" * 2000}"; filename="b"'):
        with pytest.raises(MalformedBody, match="one Content-Disposition"):
            images_of(form((head, b"x")), FORM, 4)
