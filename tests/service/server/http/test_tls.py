"""TLS with Python's own client and raw sockets, in both event loops: answers are whole, handshakes are bounded."""

import asyncio
import os
import re
import socket
import ssl
import time
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from service.server.certificates import Certificates, new_context
from service.server.http.connection import protocol
from service.server.http.tls import MAX_HANDSHAKES, TlsConnection, TlsPort
from service.settings import Settings
from tests.support.certificates import Authority

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE = 8 * 1024 * 1024
LOOPS: dict[str, Callable[[Coroutine[Any, Any, Any]], Any]] = {"asyncio": asyncio.run, "uvloop": uvloop.run}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="module")
def settings(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("pair")
    authority.sign(folder / "tls.crt", folder / "tls.key")
    return Settings(tls_certificate=folder / "tls.crt", tls_key=folder / "tls.key")


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run a coroutine in an event loop of one kind."""
    return LOOPS[request.param]


class Serving:
    """A TLS port on which an application answers with the size of each body, and what was counted there."""

    def __init__(self, limit_s: float = 10.0, max_connections: int = 1000, client_timeout_s: float = 10.0) -> None:
        self.failed, self.closed, self.schemes = Counter[str](), 0, set[str]()
        self.state = ServerState()
        self.port = TlsPort(limit_s, lambda reason: self.failed.update([reason]), self.count_closed)
        made = protocol(client_timeout_s, max_connections, self.count_closed)
        config = uvicorn.Config(self, http=made, ws="none", log_config=None, lifespan="off")
        config.load()
        self.made = partial(made, config=config, server_state=self.state, app_state={})
        self.address = ("", 0)

    def count_closed(self) -> None:
        self.closed += 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.schemes.add(scope["scheme"])
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        body = bytes(LARGE) if scope["path"] == "/large" else b"%d" % size
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    @asynccontextmanager
    async def listening(self, settings: Settings) -> AsyncIterator["Serving"]:
        self.port.context = new_context(Certificates(settings).material)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: TlsConnection(self.port, self.made), "127.0.0.1", 0)
        self.address = server.sockets[0].getsockname()
        try:
            yield self
        finally:
            server.close()

    async def connect(self, context: ssl.SSLContext | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        name = None if context is None else "localhost"
        return await asyncio.open_connection(*self.address, ssl=context, server_hostname=name, limit=2 * LARGE)

    async def until(self, true: Callable[[], bool], limit_s: float = 20) -> None:
        async with asyncio.timeout(limit_s):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


Run = Callable[[Coroutine[Any, Any, Any]], Any]


def test_requests_are_answered(run: Run, settings: Settings, authority: Authority) -> None:
    """Pipelined, with bodies of many records; the application sees https."""

    async def ask() -> None:
        async with Serving().listening(settings) as serving:
            reader, writer = await serving.connect(authority.context())
            body = bytes(1_000_000)
            post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            writer.write(GET + post + GET)
            for size in (b"0", b"1000000", b"0"):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
                assert await reader.readexactly(len(size)) == size
            writer.close()
            await serving.until(lambda: serving.closed == 1)
            assert (serving.schemes, serving.failed) == ({"https"}, Counter())

    run(ask())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"200"),
        (GET + b"no request\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nLong: " + b"x" * 64 * 1024, b"431"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n", b"400"),
    ],
)
def test_a_last_answer_ends_at_once(
    run: Run, settings: Settings, authority: Authority, version: ssl.TLSVersion, request_: bytes, status: bytes
) -> None:
    """Whole and with the end that TLS has, so that the client knows that nothing is missing."""

    async def ask() -> None:
        async with Serving().listening(settings) as serving:
            context = authority.context()
            context.maximum_version = version
            reader, writer = await serving.connect(context)
            writer.write(request_)
            async with asyncio.timeout(1.5):  # less than the time in which a client has to close
                answer = await reader.read()
            head, _, body = re.split(rb"(?=HTTP/1\.1 \d{3} )", answer)[-1].partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 " + status)
            assert b"content-length: %d" % len(body) in head
            writer.close()
            await serving.until(lambda: serving.closed == 1)

    run(ask())


def test_a_refusal_can_be_read_while_a_body_is_still_sent(run: Run, settings: Settings, authority: Authority) -> None:
    """What comes after it is discarded; a reset could take the refusal from the client."""

    async def ask() -> None:
        async with Serving().listening(settings) as serving:
            reader, writer = await serving.connect(authority.context())
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n")
            for _ in range(20):
                writer.write(bytes(64 * 1024))
                await asyncio.sleep(0)
            assert b"400 Bad Request" in await reader.read()
            writer.close()

    run(ask())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_damaged_bytes_end_the_connection(
    run: Run, settings: Settings, authority: Authority, version: ssl.TLSVersion
) -> None:
    """Also while an answer is on its way; nothing of it is an error of the service."""

    def send(address: tuple[str, int]) -> None:
        context = authority.context()
        context.maximum_version = version
        with (
            socket.create_connection(address, timeout=20) as plain,
            socket.socket(fileno=os.dup(plain.fileno())) as raw,
            context.wrap_socket(plain, server_hostname="localhost") as client,
        ):
            client.sendall(GET + b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
            raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                while client.recv(1024 * 1024):
                    pass

    async def ask() -> None:
        errors: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context))
        async with Serving().listening(settings) as serving:
            await asyncio.to_thread(send, serving.address)
            await serving.until(lambda: serving.closed == 1)
        assert errors == []

    run(ask())


def test_a_client_may_say_that_it_sends_no_more(run: Run, settings: Settings, authority: Authority) -> None:
    """Its requests were answered; the server then closes too, with the end that TLS has."""

    async def ask() -> None:
        async with Serving().listening(settings) as serving:
            reader, writer = await serving.connect(authority.context())
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\n0")
            writer.close()
            await serving.until(lambda: serving.closed == 1)
            assert not serving.state.connections

    run(ask())


def test_a_large_answer_waits_for_a_slow_client(run: Run, settings: Settings, authority: Authority) -> None:
    """And arrives whole, although the connection is being closed behind it."""

    def read_slowly(address: tuple[str, int]) -> int:
        with (
            socket.create_connection(address, timeout=20) as plain,
            authority.context().wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as client,
        ):
            client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            time.sleep(1.5)
            received = 0
            while piece := client.recv(256 * 1024):
                received += len(piece)
            return received

    async def ask() -> None:
        async with Serving(client_timeout_s=5).listening(settings) as serving:
            assert await asyncio.to_thread(read_slowly, serving.address) > LARGE

    run(ask())


def test_a_client_that_does_not_read_is_cut_off(run: Run, settings: Settings, authority: Authority) -> None:
    """As without TLS."""

    async def ask() -> None:
        async with Serving(client_timeout_s=0.5).listening(settings) as serving:
            reader, writer = await serving.connect(authority.context())
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n" * 4)
            await serving.until(lambda: serving.closed == 1)
            writer.transport.abort()
            del reader

    run(ask())


def test_an_http_request_without_tls_is_told_so(run: Run, settings: Settings) -> None:
    """By a problem document; other bytes get nothing. Both are counted."""

    async def ask() -> None:
        async with Serving().listening(settings) as serving:
            reader, writer = await serving.connect(None)
            writer.write(GET)
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 400 Bad Request")
            assert b"use https:// in the address" in answer
            writer.close()
            reader, writer = await serving.connect(None)
            writer.write(b"\0\1\2")
            assert await reader.read() == b""
            writer.close()
            await serving.until(lambda: serving.closed == 2)
            assert serving.failed == {"not_tls": 2}

    run(ask())


def test_a_client_without_a_known_certificate_is_refused_in_the_handshake(
    run: Run, settings: Settings, authority: Authority, tmp_path: Path
) -> None:
    """One of another authority too; the application sees nothing of it, and the client is told why."""
    assert settings.tls_certificate is not None
    assert settings.tls_key is not None
    stranger = Authority(tmp_path / "stranger", "another")
    stranger.sign(tmp_path / "no.crt", tmp_path / "no.key")
    asking = settings.model_copy(update={"tls_client_ca": authority.certificate})

    async def ask(pair: tuple[Path, Path] | None) -> bytes:
        async with Serving().listening(asking) as serving:
            try:
                reader, writer = await serving.connect(authority.context(pair))
                writer.write(GET)
                answer = await reader.read(1000)
            except ssl.SSLError as error:
                await serving.until(lambda: serving.closed == 1)
                assert serving.failed == {"client_certificate": 1}
                assert not serving.schemes
                return str(error.reason).encode()
            writer.close()
            return answer

    assert run(ask((settings.tls_certificate, settings.tls_key))).startswith(b"HTTP/1.1 200 OK")
    assert run(ask(None)) == b"TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert run(ask((tmp_path / "no.crt", tmp_path / "no.key"))) == b"TLSV1_ALERT_UNKNOWN_CA"


def test_failed_handshakes_are_counted_by_reason(run: Run, settings: Settings) -> None:
    """A client that does not know the authority, one of an old version, one that leaves, and bytes that are damaged.

    A connection that is closed without a byte is the look of a load balancer, and no failure.
    """

    def shake_hands(address: tuple[str, int], context: ssl.SSLContext) -> None:
        with socket.create_connection(address, timeout=20) as plain:  # asyncio's client would not say why it leaves
            context.wrap_socket(plain, server_hostname="localhost")

    async def ask() -> None:
        async with Serving().listening(settings) as serving:
            for limit in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
                context = ssl.create_default_context()
                context.maximum_version = limit
                with pytest.raises(ssl.SSLCertVerificationError):
                    await asyncio.to_thread(shake_hands, serving.address, context)
            with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
                await serving.connect(_of_tls_1_1())
            for first in (b"", b"\x16\x03\x01", b"\x16\x03\x01\x00\x05rubbish"):
                _, writer = await serving.connect(None)
                writer.write(first)
                await writer.drain()
                writer.close()
            await serving.until(lambda: serving.closed == 6)
            assert serving.failed == {"refused_by_client": 2, "version": 1, "closed": 1, "damaged": 1}

    run(ask())


def _of_tls_1_1() -> ssl.SSLContext:
    """A context that Python advises against."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


@pytest.mark.parametrize("first", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"])
def test_a_handshake_that_never_ends_is_not_waited_for(run: Run, settings: Settings, first: bytes) -> None:
    """Whether nothing was sent or a part of it."""

    async def ask() -> None:
        async with Serving(limit_s=0.3).listening(settings) as serving:
            reader, writer = await serving.connect(None)
            writer.write(first)
            async with asyncio.timeout(5):
                with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                    await reader.readexactly(1)
            writer.close()
            await serving.until(lambda: serving.closed == 1)
            assert serving.failed == {"timeout": 1}

    run(ask())


def test_a_flood_of_handshakes_that_never_end_is_bounded(run: Run, settings: Settings, authority: Authority) -> None:
    """The oldest gives way to the next, so a client that does finish its handshake is served."""

    async def ask() -> None:
        async with Serving().listening(settings) as serving:
            flood = [await serving.connect(None) for _ in range(MAX_HANDSHAKES + 50)]
            await serving.until(lambda: serving.closed == 50)
            assert len(serving.port._handshakes) == MAX_HANDSHAKES
            reader, writer = await serving.connect(authority.context())
            writer.write(GET)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
            assert serving.failed == {"too_many": 51}
            for _, silent in [*flood, (reader, writer)]:
                silent.close()
            await serving.until(lambda: serving.closed == MAX_HANDSHAKES + 51)

    run(ask())


def test_connections_above_the_limit_get_a_problem(run: Run, settings: Settings, authority: Authority) -> None:
    """Which they can read; handshakes in progress are no connections."""

    async def ask() -> None:
        async with Serving(max_connections=1).listening(settings) as serving:
            silent = await serving.connect(None)
            first = await serving.connect(authority.context())
            await serving.until(lambda: len(serving.state.connections) == 1)
            reader, writer = await serving.connect(authority.context())
            writer.write(GET)
            assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
            for _, each in (silent, first, (reader, writer)):
                each.close()

    run(ask())


def test_handshakes_at_the_end_have_a_second(run: Run, settings: Settings, authority: Authority) -> None:
    """One that ends in time is served; one that does not keeps nothing waiting."""

    async def ask() -> None:
        async with Serving().listening(settings) as serving:
            silent = await serving.connect(None)
            slow = await serving.connect(None)
            await serving.until(lambda: len(serving.port._handshakes) == 2)
            ending = asyncio.ensure_future(serving.port.finish_handshakes())
            await slow[1].start_tls(authority.context(), server_hostname="localhost")
            slow[1].write(GET)
            assert (await slow[0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
            async with asyncio.timeout(3):
                await ending
            assert serving.failed == {"timeout": 1}
            for _, each in (silent, slow):
                each.close()

    run(ask())


def test_another_certificate_is_for_new_connections(
    run: Run, settings: Settings, authority: Authority, tmp_path: Path
) -> None:
    """Those that are open go on with theirs."""
    authority.sign(tmp_path / "new.crt", tmp_path / "new.key", name="renewed")
    new = Settings(tls_certificate=tmp_path / "new.crt", tls_key=tmp_path / "new.key")

    def names(writer: asyncio.StreamWriter) -> object:
        return writer.get_extra_info("peercert")["subject"]

    async def ask() -> None:
        async with Serving().listening(settings) as serving:
            before = await serving.connect(authority.context())
            serving.port.context = new_context(Certificates(new).material)
            after = await serving.connect(authority.context())
            assert names(before[1]) == ((("commonName", "server"),),)
            assert names(after[1]) == ((("commonName", "renewed"),),)
            for reader, writer in (before, after):
                writer.write(GET)
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
                writer.close()

    run(ask())
