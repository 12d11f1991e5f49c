"""Parses `{"images": ["<base64>", ...]}` without an object for each JSON value and without a copy of the text.

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

from service.errors import MalformedBody, TooManyImages

_STEP_BYTES = 64 * 1024
"""Bytes of text that one step parses: 0.3 ms, and a few where every character is an escape sequence."""
_MAX_NAME_BYTES = 64
"""Limit of an unknown name that the error text repeats, in bytes."""
_MAX_DATA_URL_HEAD_BYTES = 256
"""Limit of the head of a data URL, such as `data:image/png;base64,`, in bytes."""
_BLANKS = re.compile(rb"[ \t\r\n]*")
_QUOTED_NAME = re.compile(rb'"([A-Za-z0-9_.-]{1,%d})"' % _MAX_NAME_BYTES)
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
        self._at = len(_BYTE_ORDER_MARK) if body.startswith(_BYTE_ORDER_MARK) else 0

    async def images(self) -> list[bytes | MalformedBody]:
        """Decode the images, in order. The list holds a MalformedBody for an image that is not base64.

        Raises MalformedBody, TooManyImages.
        """
        strings = await self._strings()
        images: list[bytes | MalformedBody] = []
        for index, (start, end) in enumerate(strings):
            try:
                images.append(await _from_base64(self._body, start, end))
            except binascii.Error:
                reason = f"images.{index} is not base64; encode the bytes of the image file"
                if self._body.find(b"\n", start, end) >= 0:
                    reason += ", without line breaks, as base64 -w0 does"
                images.append(MalformedBody(reason))
            await asyncio.sleep(0)
        return images

    async def _strings(self) -> list[tuple[int, int]]:
        """Return where the text of each image begins and ends, after checking the form of the whole body."""
        await self._skip_blanks()
        if self._at == len(self._body):
            self._refuse("there is no JSON in it")
        self._expect(b"{", "the JSON is no object")
        await self._skip_blanks()
        self._expect_name()
        await self._skip_blanks()
        self._expect(b":", "a colon should follow the name")
        await self._skip_blanks()
        self._expect(b"[", "images: this should be a list")
        found: list[tuple[int, int]] = []
        await self._skip_blanks()
        if self._next() == b"]":
            self._refuse("images: the list is empty")
        while True:
            found.append(self._string(len(found)))
            await self._skip_blanks()
            if self._next() == b"]":
                break
            self._expect(b",", f"images.{len(found)}: a comma should come before it")
            await self._skip_blanks()
        self._at += 1
        await self._expect_end()
        return found

    async def _expect_end(self) -> None:
        await self._skip_blanks()
        if self._next() == b",":
            self._at += 1
            await self._skip_blanks()
            self._refuse_name()
        self._expect(b"}", "the object is not closed")
        await self._skip_blanks()
        if self._at < len(self._body):
            self._refuse("something follows the object")

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

    def _expect_name(self) -> None:
        if self._body.startswith(b'"images"', self._at):
            self._at += len(b'"images"')
        else:
            self._refuse_name()

    def _refuse_name(self) -> NoReturn:
        name = _QUOTED_NAME.match(self._body, self._at)
        if name is None:
            self._refuse('"images" is the only name in it')
        if name[1] == b"images":
            self._refuse("images: the name is there twice")
        self._refuse(f'{name[1].decode()}: "images" is the only name in it')

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
        raise MalformedBody(f'the body should be {{"images": ["<base64>", ...]}}, options go into the query; {reason}')


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
