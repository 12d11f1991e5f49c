"""TLS between a client's socket and the HTTP connection, with limits on handshakes.

The event loop's own TLS cannot close one direction of a connection, after which a client reads a last answer whole; it
gives no view of what is not written yet, and reads whatever begins a handshake that may never end. So the bytes are
passed through `ssl.SSLObject` here, between two memory buffers.
"""

import asyncio
import contextlib
import logging
import random
import ssl
from collections.abc import Callable
from typing import Any

from service.server.http.connection import final_response

logger = logging.getLogger(__name__)

MAX_HANDSHAKES = 256
"""Handshakes in progress in one process. For a further one the oldest is ended, so a flood of connections that never
finish theirs keeps out only clients that take longer than the flood needs to open this many."""
_LONGEST_HANDSHAKE_S = 10.0
"""Limit of the time for a handshake; it takes two round trips."""
_LINGER_S = 2.0
"""Seconds that a client has to close the connection after a refusal."""
_LAST_HANDSHAKES_S = 1.0
"""At the end of a drain, seconds for handshakes of connections that were made just before."""
_HANDSHAKE_RECORD = 0x16
"""First byte of every TLS connection (RFC 8446, 5.1)."""
_READ_BYTES = 64 * 1024
"""Bytes that are decrypted at a time; a record holds at most 16 KiB."""
_USE_HTTPS = "this port speaks TLS, and the request came without it; use https:// in the address"


class TlsPort:
    """What the TLS connections of a process share.

    context: for connections that are made from now on; existing ones keep theirs. None until it is known.
    """

    def __init__(self, limit_s: float, on_failed: Callable[[str], None], on_closed: Callable[[], None]) -> None:
        """Create a port without a context.

        limit_s: seconds for a handshake, at most 10. on_failed: called with the reason when a handshake has failed.
        on_closed: called when a connection has ended without a complete handshake.
        """
        self.context: ssl.SSLContext | None = None
        self.limit_s = min(limit_s, _LONGEST_HANDSHAKE_S)
        self.on_failed, self.on_closed = on_failed, on_closed
        self._handshakes: dict[TlsConnection, None] = {}
        self._last_ended: asyncio.Event | None = None

    def begin(self, connection: "TlsConnection") -> None:
        """Count a connection whose handshake begins, in place of the oldest one if there are too many."""
        if len(self._handshakes) >= MAX_HANDSHAKES:
            next(iter(self._handshakes)).abort("too_many")
        self._handshakes[connection] = None

    def end(self, connection: "TlsConnection") -> None:
        """Count a connection no longer: its handshake is complete, or it has ended."""
        self._handshakes.pop(connection, None)
        if self._last_ended is not None and not self._handshakes:
            self._last_ended.set()

    async def finish_handshakes(self) -> None:
        """Wait for the handshakes in progress, at most a second, and end those that are left."""
        self._last_ended = asyncio.Event()
        if self._handshakes:
            await asyncio.wait([asyncio.ensure_future(self._last_ended.wait())], timeout=_LAST_HANDSHAKES_S)
        for connection in list(self._handshakes):
            connection.abort("timeout")


class TlsConnection(asyncio.Protocol):
    """Decrypts what comes from a socket for a protocol inside, which is made when the handshake is complete."""

    def __init__(self, port: TlsPort, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        self._port, self._make_protocol = port, make_protocol
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._protocol: asyncio.Protocol | None = None
        self._inside: TlsTransport | None = None
        self._failed = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._port.begin(self)
        self._timer = asyncio.get_running_loop().call_later(self._port.limit_s, self.abort, "timeout")

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._port.end(self)
        if self._protocol is not None:
            self._protocol.connection_lost(exc)
            return
        if self._tls is not None:  # else it is the look of a load balancer whether the port is open
            self._fail("closed")
        self._port.on_closed()

    def data_received(self, data: bytes) -> None:
        if self._failed or (self._inside is not None and self._inside.ended):
            return  # what a client still sends after its last answer
        if self._tls is None and not self._begin(data):
            return
        self._incoming.write(data)
        if self._protocol is None and not self._continue_handshake():
            return
        self._pass_on()

    def eof_received(self) -> None:
        """End the protocol inside as without TLS; the transport closes when this method returns."""
        if self._protocol is not None:
            self._protocol.eof_received()

    def pause_writing(self) -> None:
        if self._protocol is not None:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._protocol is not None:
            self._protocol.resume_writing()

    def abort(self, reason: str) -> None:
        """End a connection whose handshake is not complete."""
        self._port.end(self)
        self._fail(reason)
        self._transport.abort()

    def _begin(self, first: bytes) -> bool:
        """Return whether a handshake begins; an HTTP request without TLS gets an answer that says what to change."""
        if self._port.context is None:
            self.abort("closed")
        elif first[0] == _HANDSHAKE_RECORD:
            self._tls = self._port.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
            return True
        else:
            is_text = first[:1].isalpha()
            answer = final_response(400, _USE_HTTPS, f"{random.getrandbits(128):032x}") if is_text else b""
            self._refuse("not_tls", answer)
        return False

    def _continue_handshake(self) -> bool:
        """Return whether the handshake is complete, and make the protocol inside if so."""
        assert self._tls is not None
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError as error:
            self._refuse(_reason_of(error), self._outgoing.read())  # an alert that says why
            return False
        self._timer.cancel()
        self._port.end(self)
        self._flush()
        self._protocol = self._make_protocol()
        self._inside = TlsTransport(self._transport, self._tls, self._outgoing)
        self._protocol.connection_made(self._inside)
        return True

    def _pass_on(self) -> None:
        """Pass what can be decrypted to the protocol inside."""
        assert self._tls is not None
        assert self._protocol is not None
        pieces, ended = list[bytes](), False
        try:
            while self._incoming.pending and not ended:
                piece = self._tls.read(_READ_BYTES)
                pieces.append(piece)
                ended = not piece
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:  # damaged, or sent after the end of the connection
            ended = True
        if self._transport.is_closing():
            return
        self._flush()
        if received := b"".join(pieces):
            self._protocol.data_received(received)
        if ended and not self._transport.is_closing():
            self._protocol.eof_received()
            self._transport.close()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())

    def _refuse(self, reason: str, last: bytes) -> None:
        """Send the last bytes and wait until the client closes: if the server closed first, it might lose them."""
        self._fail(reason)
        self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(_LINGER_S, self._transport.abort)
        if last:
            self._transport.write(last)
        if not self._transport.is_closing():
            self._transport.write_eof()

    def _fail(self, reason: str) -> None:
        if not self._failed:
            self._failed = True
            logger.debug("no TLS with %s: %s", self._transport.get_extra_info("peername"), reason)
            self._port.on_failed(reason)


class TlsTransport(asyncio.Transport):
    """The transport of the protocol inside: encrypts, and is otherwise the one of the socket.

    ended: whether the end of the sending direction was sent.
    """

    def __init__(self, transport: asyncio.Transport, tls: ssl.SSLObject, outgoing: ssl.MemoryBIO) -> None:
        super().__init__()
        self._transport, self._tls, self._outgoing = transport, tls, outgoing
        self.ended = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "sslcontext":
            return self._tls.context
        return self._tls if name == "ssl_object" else self._transport.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and write. After an end of the sending direction nothing is written."""
        if self.ended or self._transport.is_closing():
            return
        try:
            with memoryview(data) as rest:
                at = 0
                while at < len(rest):
                    at += self._tls.write(rest[at:])
        except ssl.SSLError:  # what the client sent before was damaged
            self._transport.abort()
            return
        self._transport.write(self._outgoing.read())

    def write_eof(self) -> None:
        """End the sending direction, for TLS and for the socket; what the client still sends can be read."""
        self._send_end()
        if not self._transport.is_closing():
            self._transport.write_eof()

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        """Close after what was written, without waiting for the client's end of the TLS connection (RFC 8446, 6.1)."""
        if not self._transport.is_closing():
            self._send_end()
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def is_reading(self) -> bool:
        return self._transport.is_reading()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def _send_end(self) -> None:
        if self.ended:
            return
        self.ended = True
        with contextlib.suppress(ssl.SSLError):  # the client's own end has not come, and need not
            self._tls.unwrap()
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())


def _reason_of(error: ssl.SSLError) -> str:
    """Return why a handshake has failed, as a word of few, for the metrics."""
    if isinstance(error, ssl.SSLCertVerificationError) or error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return "client_certificate"
    if error.reason in {"UNSUPPORTED_PROTOCOL", "NO_SHARED_CIPHER", "NO_SUITABLE_SIGNATURE_ALGORITHM"}:
        return "version"
    return "refused_by_client" if "ALERT" in (error.reason or "") else "damaged"
