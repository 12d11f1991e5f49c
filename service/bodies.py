"""The body of a request -> encoded images: raw bytes, multipart form, or JSON with base64."""

import base64
import binascii

from pydantic import ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import EmptyBody, MalformedBody, TooManyImages
from service.schemas import ClassifyBody

MULTIPART = "multipart/form-data"
JSON = "application/json"


EncodedImage = bytes | MalformedBody
"""The bytes of an image file, or why this one of several cannot be read."""


def images_of(body: bytes, content_type: str, max_images: int) -> list[EncodedImage]:
    """The images in `body`, in order; any other media type than a form or JSON means the image itself.

    Raises MalformedBody, EmptyBody, TooManyImages. An image that is empty or no image is left to the decoder.
    """
    media_type = _media_type(content_type)
    images: list[EncodedImage]
    if media_type == MULTIPART:
        images = [*_Form(content_type, max_images).parse(body)]
    elif media_type == JSON:
        images = _from_json(body, max_images)
    else:
        images = [body]
    if not images:
        raise EmptyBody("the form has no file part; send each image as a file, as in curl -F image=@photo.jpg")
    return images


def is_form(content_type: str) -> bool:
    """Whether a body has to be taken apart."""
    return _media_type(content_type) in (MULTIPART, JSON)


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def too_many(limit: int) -> TooManyImages:
    return TooManyImages(f"the request holds more than {limit} images; send them in several requests")


def _from_json(body: bytes, max_images: int) -> list[EncodedImage]:
    # Counted before millions of tiny values are made of it: a comma between images, and one in each data URL.
    if body.lstrip()[:1] == b"{" and body.count(b",") > 2 * max_images:
        raise too_many(max_images)
    try:
        encoded = ClassifyBody.model_validate_json(body).images
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise MalformedBody(
            f'the body should be {{"images": ["<base64>", ...]}}, options go into the query; '
            f"{place + ': ' if place else ''}{first['msg']}"
        ) from None
    if len(encoded) > max_images:
        raise too_many(max_images)
    return [_from_base64(text, index) for index, text in enumerate(encoded)]


def _from_base64(text: str, index: int) -> EncodedImage:
    """Standard alphabet, line breaks allowed, a data URL's head ignored."""
    data = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return MalformedBody(f"images.{index} is not base64; encode the bytes of the image file")


class _Form:
    """Collects the file parts of a multipart body that is already in memory; nothing goes to disk."""

    def __init__(self, content_type: str, max_images: int) -> None:
        _, options = parse_options_header(content_type)
        self._boundary = options.get(b"boundary", b"")
        self._max_images = max_images
        self._files: list[list[bytes]] = []
        self._name, self._value = bytearray(), bytearray()
        self._is_file = False
        self._ended = False

    def parse(self, body: bytes) -> list[bytes]:
        if not self._boundary:
            raise MalformedBody("Content-Type multipart/form-data lacks its boundary")
        try:
            parser = MultipartParser(self._boundary, self._callbacks())  # type: ignore[arg-type]
            parser.write(body)
            parser.finalize()
        except FormParserError as error:
            raise MalformedBody(f"the multipart form cannot be parsed: {error}") from None
        if not self._ended:
            raise MalformedBody("the multipart form stops before its closing boundary; send the whole body")
        return [b"".join(file) for file in self._files]

    def _callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._is_file = False

    def _header(self) -> None:
        if self._name.lower() == b"content-disposition":
            # The parser does not know RFC 5987, which some clients use for names that are not ASCII.
            named = b"filename" in parse_options_header(bytes(self._value))[1]
            self._is_file = named or b"filename*=" in self._value.lower()
        self._name.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        if not self._is_file:
            raise MalformedBody(
                "a part of the form is no file; send images as files, as in curl -F image=@photo.jpg, "
                "and options in the query, as in ?top_k=3"
            )
        if len(self._files) == self._max_images:
            raise too_many(self._max_images)
        self._files.append([])

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._files[-1].append(data[start:end])

    def _end(self) -> None:
        self._ended = True
