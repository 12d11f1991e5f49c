"""What the HTTP parser gets, and what reaches the connection: in pieces, without upgrades, with a limit on heads."""

from typing import Any, cast

import pytest
from httptools import HttpParserError

from service.server.http.request_feed import MAX_HEAD_BYTES, HeadRefused, RequestFeed, Stage


class Connection:
    """Remembers the requests whose callbacks it got."""

    def __init__(self) -> None:
        self.parser: Any = None
        self.requests: list[tuple[bytes, bytes]] = []

    def on_message_begin(self) -> None:
        self.url, self.headers, self.body = b"", list[tuple[bytes, bytes]](), b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None: ...

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.requests.append((self.url, self.body))


@pytest.fixture
def connection() -> Connection:
    return Connection()


def fed(connection: Connection, data: bytes) -> RequestFeed:
    """After all of `data` was parsed."""
    feed = RequestFeed(cast(Any, connection))
    feed.add(data)
    while feed:
        feed.parse_next_piece()
    return feed


def test_requests_arrive_whole_whatever_the_pieces(connection: Connection) -> None:
    """A body longer than a piece, and a request right after it."""
    body = bytes(300_000)
    head = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    feed = fed(connection, head + body + b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n")
    assert connection.requests == [(b"/a", body), (b"/b", b"")]
    assert (feed.stage, feed.head_begun) == (Stage.BETWEEN, False)


def test_a_request_to_upgrade_is_answered_as_any_other(connection: Connection) -> None:
    """The header is ignored, the body is read."""
    head = b"POST /a HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 3\r\n\r\n"
    fed(connection, head + b"abc")
    assert connection.requests == [(b"/a", b"abc")]
    assert b"upgrade" not in dict(connection.headers)


def test_trailers_are_no_headers(connection: Connection) -> None:
    """They come after the body of chunks."""
    head = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    fed(connection, head + b"3\r\nabc\r\n0\r\nX-Late: 1\r\n\r\n")
    assert connection.requests == [(b"/a", b"abc")]
    assert b"x-late" not in dict(connection.headers)


def test_a_head_has_an_end(connection: Connection) -> None:
    """Also one that is sent in small pieces."""
    feed = RequestFeed(cast(Any, connection))
    feed.add(b"GET /a HTTP/1.1\r\n" + b"X-Long: abc\r\n" * (MAX_HEAD_BYTES // 10))
    with pytest.raises(HeadRefused) as refused:
        while feed:
            feed.parse_next_piece()
    assert refused.value.status == 431


GET = b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n\r\n\r\nabcde"
CHUNKED = b"POST /first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


@pytest.mark.parametrize("before", [b"", GET, POST, CHUNKED, GET * 300], ids=["none", "get", "post", "chunks", "gets"])
@pytest.mark.parametrize("step", [1, 3, 1000, 8191, 1_000_000])
def test_the_limit_of_a_head_is_exact(connection: Connection, before: bytes, step: int) -> None:
    """Whatever came before it on the connection, and however it is cut."""
    start, end = b"GET /last HTTP/1.1\r\nHost: a\r\nX-Long: ", b"\r\n\r\n"
    long = b"x" * (MAX_HEAD_BYTES - len(start) - len(end))
    feed = RequestFeed(cast(Any, connection))

    def send(data: bytes) -> None:
        for at in range(0, len(data), step):
            feed.add(data[at : at + step])
            while feed:
                feed.parse_next_piece()

    send(before + start + long + end)
    assert connection.requests[-1] == (b"/last", b"")
    with pytest.raises(HeadRefused) as refused:
        send(before + start + long + b"x" + end)
    assert refused.value.status == 431


@pytest.mark.parametrize(
    ("version", "hosts", "accepted"),
    [("1.1", 0, False), ("1.1", 1, True), ("1.1", 2, False), ("1.0", 0, True), ("1.0", 2, False)],
)
@pytest.mark.parametrize("more", [b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"], ids=["plain", "upgrade"])
def test_a_request_has_one_host(
    connection: Connection, version: str, hosts: int, more: bytes, *, accepted: bool
) -> None:
    """Only HTTP/1.0 knows requests without one."""
    head = b"GET /a HTTP/%s\r\n" % version.encode() + b"Host: a\r\n" * hosts + more + b"\r\n"
    if accepted:
        fed(connection, head)
        assert connection.requests == [(b"/a", b"")]
        return
    with pytest.raises(HeadRefused, match="one Host header") as refused:
        fed(connection, head)
    assert refused.value.status == 400


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"gzip", b"gzip\r\nTransfer-Encoding: chunked"])
def test_other_transfer_codings_are_not_implemented(connection: Connection, coding: bytes) -> None:
    """501, as they would be taken for the image."""
    head = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + coding + b"\r\n\r\n"
    with pytest.raises(HeadRefused, match="transfer coding") as refused:
        fed(connection, head + b"3\r\nabc\r\n0\r\n\r\n")
    assert refused.value.status == 501


@pytest.mark.parametrize("coding", [b"chunked", b" Chunked "])
def test_chunks_are_read(connection: Connection, coding: bytes) -> None:
    """In any case."""
    head = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:" + coding + b"\r\n\r\n"
    fed(connection, head + b"3\r\nabc\r\n0\r\n\r\n")
    assert connection.requests == [(b"/a", b"abc")]


@pytest.mark.parametrize("data", [b"no request\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"])
def test_what_is_no_request_to_this_server_is_an_error(connection: Connection, data: bytes) -> None:
    """A tunnel is none either."""
    with pytest.raises(HttpParserError):
        fed(connection, data)
