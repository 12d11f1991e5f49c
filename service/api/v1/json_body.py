"""Parses `{"images": ["<base64>", ...]}` without an object for each JSON value and without a copy of the text.

The options of the query, such as `"top_k": 3`, may stand beside the images.

A general JSON parser builds objects for whatever a client sends, before the service can reject anything: 32 MiB of
`[[],[],...` took 8 s and 1.7 GiB. This parser accepts only the form above, rejects the body at the first byte that
differs from it, and works in steps. Time is bounded by one pass over the body, memory by the decoded images and one
step.
"""

import asyncio
import binascii
import json
import re
from typing import NoReturn

from service.api.v1.params import MAX_OPTION_BYTES, OPTION_NAMES, meant_name, refuse_second
from service.errors import MalformedBody, TooManyImages

_STEP_BYTES = 64 * 1024
"""Bytes of text that one step parses: 0.3 ms, and a few where every character is an escape sequence."""
_MAX_NAME_BYTES = 64
"""Limit of an unknown name that the error text repeats, in bytes."""
_MAX_DATA_URL_HEAD_BYTES = 256
"""Limit of the head of a data URL, such as `data:image/png;base64,`, in bytes."""
_BLANKS = re.compile(rb"[ \t\r\n]*")
_QUOTED_NAME = re.compile(rb'"([A-Za-z0-9_.-]{1,%d})"' % _MAX_NAME_BYTES)
_OPTION_VALUE = re.compile(
    rb'"([^"\\\x00-\x1f\x80-\xff]{0,%d})"|([A-Za-z0-9.+-]{1,%d})(?![A-Za-z0-9.+-])' % ((MAX_OPTION_BYTES,) * 2)
)
"""A short string without escape sequences, or a number, `true`, `false` or `null`."""
_ADDRESS = re.compile(rb"\s*(https?|ftp|file|s3|gs|blob):\\?/", re.IGNORECASE)
"""The beginning of an address. Some languages escape slashes in JSON."""
_BLANK_CHARACTERS = b" \t\r\n\f\b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Some editors and libraries on Windows write it before the text."""
_STANDARD_ALPHABET = bytes.maketrans(b"-_", b"+/")
"""Maps the two characters of URL-safe base64 (RFC 4648, section 5) to those of the standard alphabet."""
_LONGEST_ESCAPE = 6
"""Characters of the longest escape sequence, `\\u0041`."""


class JsonBody:
    """One body of the type application/json; can be parsed once."""

    def __init__(self, body: bytes, max_images: int) -> None:
        self._body = body
        self._max_images = max_images
        self._found: list[tuple[int, int]] = []
        self._options: dict[str, str | None] = {}
        self._at = len(_BYTE_ORDER_MARK) if body.startswith(_BYTE_ORDER_MARK) else 0

    @property
    def options(self) -> dict[str, str]:
        """The options beside the images, as text, after `images` has returned; an option that is null is left out."""
        return {name: value for name, value in self._options.items() if value is not None}

    async def images(self) -> list[bytes | MalformedBody]:
        """Decode the images, in order. The list holds a MalformedBody for an image that is not base64.

        Raises MalformedBody, TooManyImages, and RequestValidationError for an option that is there twice.
        """
        await self._object()
        images: list[bytes | MalformedBody] = []
        for index, (start, end) in enumerate(self._found):
            try:
                images.append(await _from_base64(self._body, start, end))
            except binascii.Error:
                images.append(MalformedBody(f"images.{index} {self._not_base64(start, end)}"))
            await asyncio.sleep(0)
        return images

    def _not_base64(self, start: int, end: int) -> str:
        """Return what a text is that cannot be decoded, and what to do."""
        if _ADDRESS.match(self._body, start, end):
            return "is the address of a file; download it and encode its bytes, as the service opens no address"
        reason = "is not base64; encode the bytes of the image file"
        broken = self._body.find(b"\n", start, end) >= 0
        return reason + ", without line breaks, as base64 -w0 does" * broken

    async def _object(self) -> None:
        """Find the options, and where the text of each image begins and ends, and check the form of the whole body."""
        await self._skip_blanks()
        if self._at == len(self._body):
            self._refuse("there is no JSON in it")
        self._expect(b"{", "the JSON is no object")
        while True:
            await self._skip_blanks()
            await self._member()
            await self._skip_blanks()
            if self._next() != b",":
                break
            self._at += 1
        self._expect(b"}", "the object is not closed")
        await self._skip_blanks()
        if self._at < len(self._body):
            self._refuse("something follows the object")
        if not self._found:
            self._refuse("images: the list is missing")

    async def _member(self) -> None:
        """Read a name and its value."""
        name = self._name()
        await self._skip_blanks()
        self._expect(b":", "a colon should follow the name")
        await self._skip_blanks()
        if name == "images":
            await self._strings()
        else:
            self._options[name] = self._option(name)

    def _name(self) -> str:
        found = _QUOTED_NAME.match(self._body, self._at)
        if found is None:
            self._refuse('a name should be here, "images" or an option')
        name = found[1].decode()
        if name == "images" and self._found:
            self._refuse("images: the name is there twice")
        if name in self._options:
            refuse_second(name)
        if name not in ("images", *OPTION_NAMES):
            self._refuse(f"{name}: {meant_name(name, 'images', *OPTION_NAMES)}")
        self._at = found.end()
        return name

    def _option(self, name: str) -> str | None:
        found = _OPTION_VALUE.match(self._body, self._at)
        if found is None:
            self._refuse(f"{name}: this should be a number, true, false, or a short text as in the query")
        self._at = found.end()
        if found[1] is not None:
            return found[1].decode()
        try:
            value = json.loads(found[2])
        except ValueError:
            self._refuse(f"{name}: this is no value of JSON; put a text into quotation marks")
        return None if value is None else found[2].decode()

    async def _strings(self) -> None:
        """Find where the text of each image begins and ends."""
        self._expect(b"[", "images: this should be a list")
        await self._skip_blanks()
        if self._next() == b"]":
            self._refuse("images: the list is empty")
        while True:
            self._found.append(self._string(len(self._found)))
            await self._skip_blanks()
            if self._next() == b"]":
                break
            self._expect(b",", f"images.{len(self._found)}: a comma should come before it")
            await self._skip_blanks()
        self._at += 1

    def _string(self, index: int) -> tuple[int, int]:
        if index == self._max_images:
            raise too_many_images(self._max_images)
        self._expect(b'"', f"images.{index}: this should be a string of base64")
        start, end = self._at, self._body.find(b'"', self._at)
        if end < 0:
            self._refuse(f"images.{index}: the string is not closed")
        if self._body[start:end].endswith(b"\\"):
            self._refuse(f"images.{index} is not base64: it holds a backslash before a quotation mark")
        self._at = end + 1
        return start, end

    async def _skip_blanks(self) -> None:
        while True:
            end = self._at + _STEP_BYTES
            found = _BLANKS.match(self._body, self._at, end)
            assert found is not None
            self._at = found.end()
            if self._at < end:
                return
            await asyncio.sleep(0)

    def _next(self) -> bytes:
        return self._body[self._at : self._at + 1]

    def _expect(self, byte: bytes, otherwise: str) -> None:
        if self._next() != byte:
            self._refuse(otherwise)
        self._at += 1

    def _refuse(self, reason: str) -> NoReturn:
        raise MalformedBody(
            f'the body should be {{"images": ["<base64>", ...]}}, with options beside it or in the query; {reason}'
        )


def too_many_images(limit: int) -> TooManyImages:
    return TooManyImages(f"the request holds more than {limit} images; send them in several requests")


async def _from_base64(body: bytes, start: int, end: int) -> bytes:
    """Decode the text of a JSON string; ignores blanks and the head of a data URL.

    Accepts both alphabets of RFC 4648, also without the padding. Raises binascii.Error.
    """
    if body[start : min(end, start + len(b"data:"))].lower() == b"data:":
        comma = body.find(b",", start, min(end, start + _MAX_DATA_URL_HEAD_BYTES))
        if comma < 0:
            raise binascii.Error("a data URL without its data")
        start = comma + 1
    decoded: list[bytes] = []
    rest, padded = b"", False
    while start < end:
        stop = _end_of_step(body, start, end)
        text = rest + _unescaped(body[start:stop]).translate(_STANDARD_ALPHABET, b" ")
        if padded and text:
            raise binascii.Error("data after the padding")
        if stop == end:
            text += b"=" * (-len(text) % 4)
        whole = len(text) - len(text) % 4
        decoded.append(binascii.a2b_base64(text[:whole], strict_mode=True))
        padded = padded or text[:whole].endswith(b"=")
        start, rest = stop, text[whole:]
        if start < end:
            await asyncio.sleep(0)
    return decoded[0] if len(decoded) == 1 else b"".join(decoded)


def _end_of_step(body: bytes, start: int, end: int) -> int:
    """Return the end of the step that begins at `start`; never inside an escape sequence."""
    stop = start + _STEP_BYTES
    if stop >= end:
        return end
    escape = body.rfind(b"\\", stop - _LONGEST_ESCAPE + 1, stop)
    return stop if escape < 0 else escape


def _unescaped(text: bytes) -> bytes:
    """Replace the escape sequences of the text, and remove line breaks that are escaped.

    PHP, Java and .NET escape the characters `/`, `+` and `=` of base64.

    Raises binascii.Error for escape sequences of characters outside ASCII, and for those that JSON does not know.
    """
    if b"\\" not in text:
        return text
    try:
        unescaped: str = json.loads(f'"{text.decode("ascii")}"')
        return unescaped.encode("ascii").translate(None, _BLANK_CHARACTERS)
    except ValueError as error:
        raise binascii.Error("an escape sequence that stands for no character of base64") from error
