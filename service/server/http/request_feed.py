"""Feeds the HTTP parser: in small pieces, with a limit on heads, and ignoring requests to upgrade the protocol."""

from collections.abc import Iterable
from enum import Enum, auto
from typing import Protocol

from httptools import HttpParserUpgrade, HttpRequestParser

MAX_HEAD_BYTES = 64 * 1024
"""Limit of the head of a request, in bytes."""
_PIECE = 8 * 1024  # bytes; too few for a harmful head or thousands of pipelined requests
_BODY_PIECE = 256 * 1024  # bytes of a piece that is known to be body


_NOTHING = memoryview(b"")


class HeadTooLarge(Exception):
    """A request line with headers, or the trailers of a chunked body, exceeds MAX_HEAD_BYTES."""


class Stage(Enum):
    """The parser's position in a request."""

    BETWEEN = auto()
    HEAD = auto()
    BODY = auto()


class Messages(Protocol):
    """The receiver of httptools's callbacks. `url` and `headers` hold those of the last head."""

    parser: HttpRequestParser
    url: bytes
    headers: list[tuple[bytes, bytes]]

    def on_message_begin(self) -> None: ...
    def on_url(self, url: bytes) -> None: ...
    def on_header(self, name: bytes, value: bytes) -> None: ...
    def on_headers_complete(self) -> None: ...
    def on_body(self, body: bytes) -> None: ...
    def on_message_complete(self) -> None: ...


class RequestFeed:
    """Buffers the data of a client until `take` parses the next piece of it for `messages`."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._waiting = _NOTHING
        self._unfinished = 0  # bytes parsed since the last complete head or the last byte of a body
        self._announced = 0  # bytes of the body that have not arrived yet
        self.stage = Stage.BETWEEN
        self._renew_parser()

    def add(self, data: bytes) -> None:
        self._waiting = memoryview(b"".join((self._waiting, data)) if self._waiting else data)

    def clear(self) -> None:
        self._waiting = _NOTHING

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def head_begun(self) -> bool:
        """Whether a head has begun. Blank lines before a request count towards the head timeout."""
        return self.stage is Stage.HEAD or (self.stage is Stage.BETWEEN and self._unfinished > 0)

    def take(self) -> None:
        """Parse one piece. Raises HttpParserError, HeadTooLarge."""
        size = max(_PIECE, min(_BODY_PIECE, self._announced))
        piece, rest = self._waiting[:size], self._waiting[size:]
        self._waiting = rest or _NOTHING  # an empty view would keep the whole buffer alive
        self._unfinished += len(piece)
        try:
            self._parser.feed_data(piece)
        except HttpParserUpgrade as offer:
            self._decline(bytes(piece[offer.args[0] :]))
        if self._unfinished > MAX_HEAD_BYTES:
            raise HeadTooLarge

    def _decline(self, rest: bytes) -> None:
        """Parse the head again without its `Upgrade` header, at which the parser would end the message.

        A server may ignore the header (RFC 9110, 7.8). curl --http2 and Java's HttpClient send it with every request.
        """
        method, version = self._parser.get_method(), self._parser.get_http_version().encode()
        headers = [b"%s: %s\r\n" % header for header in self._messages.headers if header[0].lower() != b"upgrade"]
        line = b"%s %s HTTP/%s\r\n" % (method, self._messages.url, version)
        self._waiting = memoryview(b"".join([line, *headers, b"\r\n", rest, self._waiting]))
        self._unfinished = 0
        self._renew_parser()

    def _renew_parser(self) -> None:
        self._parser = self._messages.parser = HttpRequestParser(self)
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)  # such data is read and discarded

    def on_message_begin(self) -> None:
        self.stage = Stage.HEAD
        self._messages.on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._messages.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.stage is Stage.HEAD:  # trailers are not headers
            self._messages.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._parser.get_method() == b"CONNECT":
            raise ValueError("CONNECT is for proxies")
        if not self._parser.should_upgrade():
            self._messages.on_headers_complete()
            self.stage = Stage.BODY
            self._unfinished = 0
            self._announced = _content_length(self._messages.headers)

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        self._announced -= len(body)
        self._messages.on_body(body)

    def on_message_complete(self) -> None:
        if self.stage is Stage.BODY:
            self._messages.on_message_complete()
        self.stage = Stage.BETWEEN
        self._unfinished = self._announced = 0


def _content_length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Return Content-Length; 0 if there is none, as with chunks.

    The parser has rejected values that are not numbers.
    """
    return next((int(value) for name, value in headers if name == b"content-length"), 0)
