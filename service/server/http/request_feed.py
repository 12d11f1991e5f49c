"""Feeds the HTTP parser: in small pieces, with a limit on heads, and ignoring requests to upgrade the protocol."""

from enum import Enum, auto

from httptools import HttpParserCallbackError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
"""Limit of the head of a request, in bytes."""
_PIECE = 8 * 1024  # bytes; too few for a harmful head or thousands of pipelined requests
_BODY_PIECE = 256 * 1024  # bytes of a piece that is known to be body
_HEAD_END = b"\r\n\r\n"
_EMPTY = memoryview(b"")


class HeadRefused(Exception):
    """The head of a request, or the trailers of its chunked body, cannot be accepted.

    status: of the HTTP response. detail: what is wrong, and what to change.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(status, detail)
        self.status, self.detail = status, detail


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
        self._last_bytes = b""  # up to 3 that came before the buffer: a head's end may begin in them
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
        """Parse one piece. Raises HttpParserError, HeadRefused."""
        size, stage = self._piece_bytes(), self.stage
        piece, rest = self._buffer[:size], self._buffer[size:]
        self._buffer = rest or _EMPTY  # an empty view would keep the whole buffer alive
        self._unfinished += len(piece)
        try:
            self._parser.feed_data(piece)
        except HttpParserUpgrade as upgrade:
            self._drop_upgrade_header(bytes(piece[upgrade.args[0] :]))
        except HttpParserCallbackError as error:
            raise (error.__context__ if isinstance(error.__context__, HeadRefused) else error) from None
        if stage is Stage.BODY and self.stage is Stage.HEAD:  # behind a chunked body, which ends with a blank line
            self._unfinished = len(bytes(piece).rpartition(_HEAD_END)[2].lstrip(b"\r\n"))
        if self._unfinished >= MAX_HEAD_BYTES:
            raise HeadRefused(431, f"the head of a request has at most {MAX_HEAD_BYTES} bytes; send fewer headers")

    def _piece_bytes(self) -> int:
        """Return the size of the next piece.

        A piece ends where a head or a body of known length ends, so that the next head is counted from its first byte.
        """
        if self._body_bytes_due > 0:
            return min(_BODY_PIECE, self._body_bytes_due)
        if self.stage is Stage.BODY:
            return _PIECE
        size = min(_PIECE, MAX_HEAD_BYTES - self._unfinished)
        before, piece = self._last_bytes, bytes(self._buffer[:size])
        self._last_bytes = (before + piece)[-3:]
        end = (before + piece).find(_HEAD_END)
        return size if end < 0 else end + len(_HEAD_END) - len(before)

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
        self._check_head()
        if not self._parser.should_upgrade():
            self._connection.on_headers_complete()
            self.stage = Stage.BODY
            self._unfinished = 0
            lengths = (int(value) for name, value in self._connection.headers if name == b"content-length")
            self._body_bytes_due = next(lengths, 0)  # the parser has rejected values that are not numbers

    def _check_head(self) -> None:
        """Check what the parser leaves to the server. Raises HeadRefused."""
        headers = self._connection.headers
        hosts = sum(name == b"host" for name, _ in headers)
        if hosts > 1 or (hosts == 0 and self._parser.get_http_version() == "1.1"):  # RFC 9112, 3.2
            raise HeadRefused(400, f"an HTTP/1.1 request has one Host header, this one has {hosts}; send exactly one")
        codings = b",".join(value for name, value in headers if name == b"transfer-encoding")
        if codings and codings.strip().lower() != b"chunked":  # RFC 9112, 6.1
            raise HeadRefused(501, "the only transfer coding of this server is chunked; send the body without others")

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        self._body_bytes_due -= len(body)
        self._connection.on_body(body)

    def on_message_complete(self) -> None:
        if self.stage is Stage.BODY:
            self._connection.on_message_complete()
        self.stage = Stage.BETWEEN
        self._unfinished = self._body_bytes_due = 0
