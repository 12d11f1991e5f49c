"""Between the socket and the parser's callbacks: small pieces, heads of limited size, offers to upgrade ignored."""

from collections.abc import Iterable
from enum import Enum, auto
from typing import Protocol

from httptools import HttpParserUpgrade, HttpRequestParser

MAX_HEAD_BYTES = 64 * 1024
_PIECE = 8 * 1024  # so few that one piece holds neither a harmful head nor thousands of pipelined requests
_BODY_PIECE = 256 * 1024  # of what is known to be body


_NOTHING = memoryview(b"")


class HeadTooLarge(Exception):
    """A request line and headers, or the trailers of a chunked body, beyond MAX_HEAD_BYTES."""


class Stage(Enum):
    """Where in a request the parser is."""

    BETWEEN = auto()
    HEAD = auto()
    BODY = auto()


class Messages(Protocol):
    """Told what was parsed, as httptools does it; `url` and `headers` are what the last head held."""

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
    """Holds what a client has sent until `take` parses the next piece of it for `messages`."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._waiting = _NOTHING
        self._unfinished = 0  # bytes parsed since the last complete head or byte of a body
        self._announced = 0  # bytes of the body that are still to come
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
        """Empty lines before a request count: a client that sends them has to come to the point too."""
        return self.stage is Stage.HEAD or (self.stage is Stage.BETWEEN and self._unfinished > 0)

    def take(self) -> None:
        """Parse one piece. Raises HttpParserError, HeadTooLarge."""
        size = max(_PIECE, min(_BODY_PIECE, self._announced))
        piece, rest = self._waiting[:size], self._waiting[size:]
        self._waiting = rest or _NOTHING  # an empty view would hold all that was received
        self._unfinished += len(piece)
        try:
            self._parser.feed_data(piece)
        except HttpParserUpgrade as offer:
            self._decline(bytes(piece[offer.args[0] :]))
        if self._unfinished > MAX_HEAD_BYTES:
            raise HeadTooLarge

    def _decline(self, rest: bytes) -> None:
        """Begin the request again without its `Upgrade` header, which the parser would end the message for.

        A server may ignore the header (RFC 9110, 7.8); curl --http2 and Java's HttpClient send it with every request.
        """
        method, version = self._parser.get_method(), self._parser.get_http_version().encode()
        headers = [b"%s: %s\r\n" % header for header in self._messages.headers if header[0].lower() != b"upgrade"]
        line = b"%s %s HTTP/%s\r\n" % (method, self._messages.url, version)
        self._waiting = memoryview(b"".join([line, *headers, b"\r\n", rest, self._waiting]))
        self._unfinished = 0
        self._renew_parser()

    def _renew_parser(self) -> None:
        self._parser = self._messages.parser = HttpRequestParser(self)
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)  # such data is read and thrown away

    def on_message_begin(self) -> None:
        self.stage = Stage.HEAD
        self._messages.on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._messages.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.stage is Stage.HEAD:  # trailers are no headers
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
    """0 where it is not known, as with chunks; the parser has refused what is no number."""
    return next((int(value) for name, value in headers if name == b"content-length"), 0)
