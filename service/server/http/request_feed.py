"""Feeds the HTTP parser: in small pieces, with a limit on heads, and ignoring requests to upgrade the protocol."""

from enum import Enum, auto

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
"""Limit of the head of a request, in bytes."""
_PIECE = 8 * 1024  # bytes; too few for a harmful head or thousands of pipelined requests
_BODY_PIECE = 256 * 1024  # bytes of a piece that is known to be body
_EMPTY = memoryview(b"")


class HeadTooLarge(Exception):
    """A request line with headers, or the trailers of a chunked body, exceeds MAX_HEAD_BYTES."""


class Stage(Enum):
    """The parser's position in a request."""

    BETWEEN = auto()
    HEAD = auto()
    BODY = auto()


class RequestFeed:
    """Buffers the data of a client until the next piece of it is parsed. Calls the connection's parser callbacks."""

    def __init__(self, connection: HttpToolsProtocol) -> None:
        self._connection = connection
        self._buffer = _EMPTY
        self._unfinished = 0  # bytes parsed since the last complete head or the last byte of a body
        self._body_bytes_due = 0  # bytes of the body that have not arrived yet
        self.stage = Stage.BETWEEN
        self._new_parser()

    def add(self, data: bytes) -> None:
        self._buffer = memoryview(b"".join((self._buffer, data)) if self._buffer else data)

    def clear(self) -> None:
        self._buffer = _EMPTY

    def __bool__(self) -> bool:
        return bool(self._buffer)

    @property
    def head_begun(self) -> bool:
        """Whether a head has begun. Blank lines before a request count towards the head timeout."""
        return self.stage is Stage.HEAD or (self.stage is Stage.BETWEEN and self._unfinished > 0)

    def parse_next_piece(self) -> None:
        """Parse one piece. Raises HttpParserError, HeadTooLarge."""
        size = max(_PIECE, min(_BODY_PIECE, self._body_bytes_due))
        piece, rest = self._buffer[:size], self._buffer[size:]
        self._buffer = rest or _EMPTY  # an empty view would keep the whole buffer alive
        self._unfinished += len(piece)
        try:
            self._parser.feed_data(piece)
        except HttpParserUpgrade as upgrade:
            self._drop_upgrade_header(bytes(piece[upgrade.args[0] :]))
        if self._unfinished > MAX_HEAD_BYTES:
            raise HeadTooLarge

    def _drop_upgrade_header(self, rest: bytes) -> None:
        """Parse the head again without its `Upgrade` header, at which the parser would end the message.

        A server may ignore the header (RFC 9110, 7.8). curl --http2 and Java's HttpClient send it with every request.
        """
        method, version = self._parser.get_method(), self._parser.get_http_version().encode()
        headers = [b"%s: %s\r\n" % header for header in self._connection.headers if header[0].lower() != b"upgrade"]
        line = b"%s %s HTTP/%s\r\n" % (method, self._connection.url, version)
        self._buffer = memoryview(b"".join([line, *headers, b"\r\n", rest, self._buffer]))
        self._unfinished = 0
        self._new_parser()

    def _new_parser(self) -> None:
        self._parser = self._connection.parser = HttpRequestParser(self)
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)  # such data is read and discarded

    def on_message_begin(self) -> None:
        self.stage = Stage.HEAD
        self._connection.on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._connection.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.stage is Stage.HEAD:  # trailers are not headers
            self._connection.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._parser.get_method() == b"CONNECT":
            raise ValueError("CONNECT is for proxies")
        if not self._parser.should_upgrade():
            self._connection.on_headers_complete()
            self.stage = Stage.BODY
            self._unfinished = 0
            lengths = (int(value) for name, value in self._connection.headers if name == b"content-length")
            self._body_bytes_due = next(lengths, 0)  # the parser has rejected values that are not numbers

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        self._body_bytes_due -= len(body)
        self._connection.on_body(body)

    def on_message_complete(self) -> None:
        if self.stage is Stage.BODY:
            self._connection.on_message_complete()
        self.stage = Stage.BETWEEN
        self._unfinished = self._body_bytes_due = 0
