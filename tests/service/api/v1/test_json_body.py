"""JSON with images in base64 is parsed in steps, and refused at the first byte that has another form."""

import asyncio
import base64
import json

import pytest
from fastapi.exceptions import RequestValidationError

from service.api.v1.json_body import JsonBody
from service.errors import MalformedBody, TooManyImages


def images_of(body: bytes, max_images: int) -> list[bytes | MalformedBody]:
    return asyncio.run(JsonBody(body, max_images).images())


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "JSON"),
        (b"[]", "images"),
        (b'{"images": []}', "images"),
        (b'{"images": [1]}', "images.0"),
        (b'{"pictures": ["aGk="]}', "images"),
        (b'{"images": ["aGk="], "topk": 1}', "topk: did you mean top_k?"),
        (b'{"image": "aGk="}', "image: did you mean images?"),
        (b'{"images": ["aGk="], "model": "m"}', "model: name the model in the path"),
        (b'{"zzz": 1}', "zzz: the names are images, coverage, dense, explain, top_k"),
        (b'{"images": ["aGk="], "top_k": [1]}', "top_k: this should be a number"),
        (b'{"images": ["aGk="], "top_k": ' + b"1" * 65 + b"}", "top_k: this should be a number"),
        (b'{"images": ["aGk="], "explain": heatmap}', "explain: this is no value of JSON"),
        (b'{"images": ["aGk="], }', "a name should be here"),
        (b'{"top_k": 1}', "images: the list is missing"),
        (b"\xff\xfe", "images"),
        (b'{"images": ["aGk="], "images": []}', "the name is there twice"),
        (b'{"images": ["aGk="}', "images.1: a comma"),
        (b'{"images": ["aGk="] "top_k"', "the object is not closed"),
        (b'{"images": ["aGk', "images.0: the string is not closed"),
        (b'{"images": ["aGk="]}{}', "something follows the object"),
    ],
)
def test_a_body_of_another_form_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    """The detail names the place in the body that differs from the form."""
    with pytest.raises(MalformedBody) as caught:
        images_of(body, 4)
    assert reason in caught.value.detail


@pytest.mark.parametrize(
    "body",
    [
        b'{"top_k": 3, "images": ["aGk="], "explain": "heatmap", "dense": false, "coverage": null}',
        b'{"images": ["aGk="], "top_k": "3" , "dense": false, "explain": "heatmap"}',
    ],
)
def test_options_stand_before_or_behind_the_images(body: bytes) -> None:
    """Their values become text, as in the query; null stands for no value."""
    parsed = JsonBody(body, 4)
    assert asyncio.run(parsed.images()) == [b"hi"]
    assert parsed.options == {"top_k": "3", "explain": "heatmap", "dense": "false"}


def test_an_option_twice_is_refused() -> None:
    """Which of the two is meant is unknown."""
    with pytest.raises(RequestValidationError) as caught:
        images_of(b'{"images": ["aGk="], "top_k": 1, "top_k": 2}', 4)
    assert caught.value.errors()[0]["loc"] == ("query", "top_k")


def test_blanks_are_ignored_between_all_parts_and_in_base64() -> None:
    """Pretty-printed JSON, and base64 with escaped line breaks, are read as if they had no blanks."""
    assert images_of(b' \r\n{ "images" :\t[ "aG k=" , "a\\nGk=" ] } \n', 4) == [b"hi", b"hi"]


def test_a_line_break_in_a_string_is_refused_with_the_option_that_avoids_it() -> None:
    """JSON allows no line break in a string, and `base64` writes some unless it is called with -w0."""
    (broken,) = images_of(b'{"images": ["aG\nk="]}', 4)
    assert isinstance(broken, MalformedBody)
    assert "without line breaks, as base64 -w0 does" in broken.detail


def test_a_photo_with_the_media_type_of_json_is_malformed() -> None:
    """A body that is no JSON is refused at its first byte, however many commas it has."""
    with pytest.raises(MalformedBody, match="the body should be"):
        images_of(b"\xff\xd8" + b"," * 1000, 4)


@pytest.mark.parametrize("address", [rb"https://shop.example/a.jpg", rb"https:\/\/shop.example\/a.jpg", rb" S3://a/b"])
def test_an_address_in_place_of_base64_is_named(address: bytes) -> None:
    """The service opens none, so that nobody can make it call other hosts."""
    (image,) = asyncio.run(JsonBody(b'{"images": ["' + address + b'"]}', 1).images())
    assert isinstance(image, MalformedBody)
    assert image.detail.startswith("images.0 is the address of a file; download it and encode its bytes")


def test_a_data_url_is_read_as_its_data() -> None:
    """The output of a browser's FileReader, a data URL, can be sent unchanged."""
    assert images_of(b'{"images": ["data:image/png;base64,aGk="]}', 4) == [b"hi"]


@pytest.mark.parametrize("text", ["-_-_", "-_8", "-_8=", "-w", "DATA:image/png;Base64,-_8", "+/8"])
def test_url_safe_and_unpadded_base64_are_read(text: str) -> None:
    """Both alphabets of RFC 4648, with and without the padding, also behind `data:` in any case."""
    (image,) = images_of(json.dumps({"images": [text]}).encode(), 4)
    assert image == base64.urlsafe_b64decode(text.rpartition(",")[2].replace("+/", "-_").ljust(4, "="))


@pytest.mark.parametrize("text", ["A", "AAAAA", "=", "A===", "AA=A"])
def test_padding_is_added_only_where_bytes_end(text: str) -> None:
    """One character of base64 over is less than a byte, so that something is missing."""
    (image,) = images_of(json.dumps({"images": [text]}).encode(), 4)
    assert isinstance(image, MalformedBody)


@pytest.mark.parametrize("length", range(49_150, 49_156))
def test_unpadded_base64_of_several_steps_is_read(length: int) -> None:
    """The padding is added at the end of the text, not at the end of a step."""
    data = bytes(range(256)) * 193
    encoded = base64.urlsafe_b64encode(data[:length]).decode().rstrip("=")
    assert images_of(json.dumps({"images": [encoded]}).encode(), 4) == [data[:length]]


def test_a_byte_order_mark_is_ignored() -> None:
    """Some programs on Windows write one before the JSON."""
    assert images_of(b'\xef\xbb\xbf{"images": ["aGk="]}', 4) == [b"hi"]


def test_one_bad_base64_among_several_fails_alone() -> None:
    """The error takes the place of its image and names the index, and the other image is read."""
    first, second = images_of(b'{"images": ["aGk=", "not base64!"]}', 4)
    assert first == b"hi"
    assert isinstance(second, MalformedBody)
    assert "images.1" in second.detail


def test_a_million_strings_are_refused_by_the_limit_of_images() -> None:
    """Strings are counted as they are found, before any of them is decoded; commas in data URLs do not count."""
    with pytest.raises(TooManyImages):
        images_of(b'{"images": [' + b'"",' * 1_000_000 + b'""]}', 4)
    data_urls = json.dumps({"images": ["data:image/png;base64,aGk="] * 4}).encode()
    assert images_of(data_urls, 4) == [b"hi"] * 4


def test_data_after_the_padding_is_not_base64() -> None:
    """Data after the padding is found even when blanks put it into a later step."""
    text = "A" * 65_532 + "QQ==" + " " * 131_072 + "QUJD"
    (image,) = images_of(json.dumps({"images": [text]}).encode(), 4)
    assert isinstance(image, MalformedBody)


@pytest.mark.parametrize("length", range(65_520, 65_545))
def test_an_escape_at_the_end_of_a_step_is_read_whole(length: int) -> None:
    """An escape sequence is decoded as a whole, wherever the end of a step would cut it."""
    encoded = base64.b64encode(b"\xff\xf0" * length).decode()
    body = ('{"images": ["' + encoded.replace("/", "\\/").replace("8", "\\u0038") + '"]}').encode()
    assert images_of(body, 4) == [b"\xff\xf0" * length]
