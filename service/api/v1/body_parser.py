"""Splits the body of a request into encoded images and options: raw bytes, a multipart form, or JSON with base64."""

import asyncio
from typing import NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.api.v1.json_body import JsonBody, too_many_images
from service.api.v1.params import MAX_OPTION_BYTES, OPTION_NAMES, meant_name, refuse_second
from service.errors import EmptyBody, MalformedBody

MULTIPART = "multipart/form-data"
JSON = ("application/json", "text/json")
_STEP_BYTES = 16 * 1024
"""Bytes of a form that one step parses. The parser takes up to 1 us for each byte of a part header."""
_MAX_DISPOSITION = 1024
"""Bytes of a part's Content-Disposition, for the same reason as below: a step holds 16 of them."""
_MAX_CONTENT_TYPE = 1024
"""Limit of a Content-Type header, in characters. Parsing 60,000 semicolons takes 130 ms."""

_MAX_SHOWN = 64
"""Characters of a field's name that an error text repeats."""

EncodedImage = bytes | MalformedBody
"""The bytes of an image file, or the error for one of several images that cannot be read."""


class ParsedBody(NamedTuple):
    """The images of a body, in order, and its options as text, not validated yet."""

    images: list[EncodedImage]
    options: dict[str, str]


async def parse_body(body: bytes, content_type: str, max_images: int) -> ParsedBody:
    """Return the images and options in `body`.

    With a media type other than a form or JSON, the body itself is the image.

    Works in steps of a few milliseconds, and lets other requests continue after each. A thread would not: the parsers
    and the text decoders hold the GIL for the whole of each call.
    Allocates at most twice the size of the body, which is not counted in that.
    Raises MalformedBody, EmptyBody, TooManyImages, and RequestValidationError for an option that is there twice. The
    decoder reports an image that is empty or has no image format.
    """
    media_type = _media_type(content_type)
    images: list[EncodedImage]
    options: dict[str, str] = {}
    if media_type == MULTIPART:
        form = _Form(content_type, max_images)
        images, options = [*(await form.parse(body))], form.options
    elif media_type in JSON:
        parsed = JsonBody(body, max_images)
        images, options = await parsed.images(), parsed.options
    else:
        images = [body]
    if not images:
        raise EmptyBody("the form has no file part; send each image as a file, as in curl -F image=@photo.jpg")
    return ParsedBody(images, options)


def needs_parsing(content_type: str) -> bool:
    """Return whether a body of this media type has to be parsed to find its images."""
    return _media_type(content_type) in (MULTIPART, *JSON)


def check_content_type(content_type: str) -> None:
    """Check before a body is read that one of this type could be parsed. Raises MalformedBody."""
    if _media_type(content_type) == MULTIPART:
        _Form(content_type, max_images=1)


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


class _Form:
    """Collects the images and options of a multipart body that is already in memory; writes nothing to disk."""

    def __init__(self, content_type: str, max_images: int) -> None:
        """Read the boundary. Raises MalformedBody when the Content-Type header is too long or has none."""
        if len(content_type) > _MAX_CONTENT_TYPE:
            raise MalformedBody(f"Content-Type has more than {_MAX_CONTENT_TYPE} characters; send it without the rest")
        _, options = parse_options_header(content_type)
        self._boundary = options.get(b"boundary", b"")
        if not self._boundary:
            raise MalformedBody("Content-Type multipart/form-data lacks its boundary")
        self._max_images = max_images
        self.options: dict[str, str] = {}
        self._files: list[bytes] = []
        self._pieces: list[memoryview | bytes] = []
        self._name, self._value = bytearray(), bytearray()
        self._part = _PartHead()
        self._ended = False
        self._advanced = False
        self._step, self._step_view = b"", memoryview(b"")

    async def parse(self, body: bytes) -> list[bytes]:
        """Return the files, in order. Raises MalformedBody, TooManyImages."""
        try:
            parser = MultipartParser(self._boundary, self._callbacks())  # type: ignore[arg-type]
            first = self._after_preamble(body)
            for start in range(first, len(body), _STEP_BYTES):
                if start > first:
                    await asyncio.sleep(0)
                self._write(parser, body, start)
            parser.finalize()
        except FormParserError as error:
            raise MalformedBody(f"the multipart form cannot be parsed: {error}") from None
        if not self._ended:
            raise MalformedBody("the multipart form stops before its closing boundary; send the whole body")
        return self._files

    def _after_preamble(self, body: bytes) -> int:
        """Return where the first boundary is, or 0 when it is not in the first step.

        Text before the first boundary is ignored (RFC 2046, section 5.1.1). Raises MalformedBody for lines without CR.
        """
        delimiter = b"--" + self._boundary
        if body.startswith(delimiter + b"\n"):
            raise MalformedBody(
                "the lines of the multipart form end with LF alone; end those of boundaries and headers with CR LF, or "
                "let an HTTP library write the form, as in curl -F image=@photo.jpg"
            )
        if body.startswith(delimiter):
            return 0
        found = body.find(b"\r\n" + delimiter, 0, _STEP_BYTES)
        return 0 if found < 0 else found + len(b"\r\n")

    def _write(self, parser: MultipartParser, body: bytes, start: int) -> None:
        """Parse one step. Raises FormParserError."""
        self._step = body[start : start + _STEP_BYTES]
        self._step_view = memoryview(body)[start : start + _STEP_BYTES]
        self._advanced = self._ended
        parser.write(self._step)
        if not self._advanced and len(self._step) == _STEP_BYTES:
            raise FormParserError(f"{_STEP_BYTES} bytes of it are neither a part nor a boundary")

    def _callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._advanced = True
        self._part = _PartHead()

    def _header(self) -> None:
        match self._name.lower():
            case b"content-disposition":
                self._part.disposition(bytes(self._value[: _MAX_DISPOSITION + 1]))
            case b"content-type":
                self._part.content_type(bytes(self._value[:_MAX_DISPOSITION]))
        self._name.clear()
        self._value.clear()
        self._advanced = True

    def _headers_finished(self) -> None:
        if self._part.is_image:
            if len(self._files) == self._max_images:
                raise too_many_images(self._max_images)
        elif self._part.name not in OPTION_NAMES:
            raise MalformedBody(
                f"the field {self._part.name[:_MAX_SHOWN]!r} of the form is neither a file nor an option: "
                f"{meant_name(self._part.name, *OPTION_NAMES)}; send images as files, as in curl -F image=@photo.jpg, "
                "not as addresses or names"
            )
        elif self._part.name in self.options:
            refuse_second(self._part.name)

    def _data(self, data: bytes, start: int, end: int) -> None:
        """Keep a view of the data in the body.

        Bytes that began like a boundary but were not one come from a buffer of the parser, so they are copied.
        """
        self._advanced = True
        if not self._part.is_image and sum(map(len, self._pieces)) + end - start > MAX_OPTION_BYTES:
            raise MalformedBody(
                f"the option {self._part.name} has more than {MAX_OPTION_BYTES} bytes; send a value as in ?top_k=3"
            )
        self._pieces.append(self._step_view[start:end] if data is self._step else data[start:end])

    def _part_end(self) -> None:
        data = b"".join(self._pieces)
        if self._part.is_image:
            self._files.append(data)
        else:
            self.options[self._part.name] = data.decode(errors="replace").strip()
        self._pieces.clear()

    def _end(self) -> None:
        self._ended = True


class _PartHead:
    """What the headers of a part say of it."""

    def __init__(self) -> None:
        self.name = ""
        self.is_image = self._named = False

    def disposition(self, value: bytes) -> None:
        """Read the Content-Disposition. Raises MalformedBody for a second or a long one."""
        if self._named or len(value) > _MAX_DISPOSITION:
            raise MalformedBody(
                f"a part of the form needs one Content-Disposition of at most {_MAX_DISPOSITION} bytes; "
                "send a shorter file name"
            )
        self._named = True
        options = parse_options_header(value)[1]
        self.name = options.get(b"name", b"").decode(errors="replace")
        # The parser does not support RFC 5987, which some clients use for file names that are not ASCII.
        self.is_image |= b"filename" in options or b"filename*=" in value.lower()

    def content_type(self, value: bytes) -> None:
        """Read the Content-Type: some clients send the type of an image, and no file name."""
        media_type = value.partition(b";")[0].strip().lower()
        self.is_image |= media_type.startswith(b"image/") or media_type == b"application/octet-stream"
