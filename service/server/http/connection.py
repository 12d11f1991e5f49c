"""Extends uvicorn's HTTP protocol: every wait has a time limit, and input that is not HTTP gets a problem document."""

import asyncio
import json
import logging
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, ClassVar

from httptools import HttpParserError
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.server.http.request_feed import HeadRefused, RequestFeed, Stage
from service.types import attach_client_state, client_state_of

logger = logging.getLogger(__name__)

SPARE_CONNECTIONS = 64
"""Connections above the limit that are kept open briefly, so that their clients can read the refusal."""

_FIRST_REQUEST_S = 1.0
"""At the end of a drain, seconds for the first request on a connection that was made just before."""
_LINGER_S = 2.0
"""Seconds that a client has to close the connection after a refusal."""
_MAX_UNSENT_BYTES = 64 * 1024
"""Limit of delayed bytes of responses; more are written at once, so that the transport notices a slow client."""


@dataclass
class ConnectionLimits:
    """The limits of the connections of a process.

    client_timeout_s: seconds a client has for each step of a request. on_closed: called when a connection has ended.
    on_refused: called with the HTTP status when a connection gets an error outside any request.
    refused: connections above `max_connections`.
    """

    client_timeout_s: float
    max_connections: int
    on_closed: Callable[[], None]
    on_refused: Callable[[int], None]
    refused: set["HttpConnection"] = field(default_factory=set)


class Wait(Enum):
    """What a connection waits for. In all cases but SERVICE it waits for the client."""

    SERVICE = auto()
    """The service's response, which has limits of its own."""
    REQUEST = auto()
    """The next request after one that was answered."""
    HEAD = auto()
    """The first request, or the rest of a head."""
    BODY = auto()
    """The rest of a body whose request was answered before the body was complete."""
    READER = auto()
    """The client has to read before more is written."""
    LINGER = auto()
    """The client has to close after a refusal. If the server closed first, the client might lose the refusal."""
    END = auto()
    """The client has to read the last bytes of a closed connection."""


class HttpConnection(HttpToolsProtocol):
    """The connection of one client.

    The client has `client_timeout_s` seconds for each step, such as sending a head or reading a response. For its next
    request it has uvicorn's keep-alive time.
    """

    limits: ClassVar[ConnectionLimits]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow: _Flow = _Flow(transport, lambda: self.loop.call_soon(self._parse))
        self._feed = RequestFeed(self)
        self._unanswered: deque[RequestResponseCycle] = deque()
        self._unsent = bytearray()
        self._refusal: bytes | None = None
        self._sent_refusal = self._ending = False
        self._wait: Wait | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._check_limit()
        self._restart_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self.limits.refused.discard(self)
        for cycle in self._unanswered:  # uvicorn disconnects only the last one; the others would still write
            _disconnect(cycle)
        self.pipeline.clear()
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)
        self.limits.on_closed()

    def data_received(self, data: bytes) -> None:
        if self._refusal is None:
            self._feed.add(data)
            self._parse()

    def eof_received(self) -> None:
        """Write the delayed responses; the transport closes when this method returns."""
        self._flush()

    def write(self, data: bytes) -> None:
        """Write a part of a response with all others of this iteration of the event loop, so in one packet."""
        if not self._unsent:
            self.loop.call_soon(self._flush)
        self._unsent += data
        if len(self._unsent) > _MAX_UNSENT_BYTES:
            self._flush()

    def close(self) -> None:
        """Close the connection after the delayed responses.

        While the body of an answered request is still arriving, the client closes first, as after a refusal.
        """
        if self._feed.stage is Stage.BODY and self.cycle.response_complete and len(self._unanswered) == 1:
            self._refusal = b""  # on_response_complete, which uvicorn calls next, ends the sending direction
            self._feed.clear()
        else:
            self._close()

    def _close(self) -> None:
        self._flush()
        self.transport.close()

    def is_closing(self) -> bool:
        return self.transport.is_closing()

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, bytearray()
        if unsent and not self.transport.is_closing():
            self.transport.write(unsent)

    def on_headers_complete(self) -> None:
        attach_client_state(self.scope)
        if self.parser.get_http_version() == "1.0":  # RFC 9110, 10.1.1
            self.expect_100_continue = False
        super().on_headers_complete()
        if self.expect_100_continue:
            _close_unless_continued(self.cycle)
        self.cycle.transport = self  # type: ignore[assignment]  # for write, close and is_closing
        if self._ending:
            self.cycle.keep_alive = False
        self._unanswered.append(self.cycle)

    def on_body(self, body: bytes) -> None:
        """Extend uvicorn's method: copy a piece only if an earlier piece has not been read by the task."""
        if not self.cycle.body:
            self.cycle.body = b""  # type: ignore[assignment]  # += onto empty bytes keeps the piece without a copy
        elif isinstance(self.cycle.body, bytes):
            self.cycle.body = bytearray(self.cycle.body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Do what uvicorn's method does, but without its keep-alive timer, which Wait.REQUEST replaces."""
        self.server_state.total_requests += 1
        self._unanswered.popleft()
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
        if self._refusal is not None and not self._unanswered:
            self._send_refusal(self._refusal)
        self._parse()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._restart_timer()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._restart_timer()

    def shutdown(self) -> None:
        """Close after the outstanding responses; a client that has just connected may still send its first request."""
        if self._unanswered:
            self._unanswered[-1].keep_alive = False
        elif (self.cycle is None or self._feed.head_begun) and not self._ending:
            self._ending = True
            self.loop.call_later(_FIRST_REQUEST_S, self.shutdown)
        else:
            self._close()
            self._restart_timer()

    def _check_limit(self) -> None:
        limits = self.limits
        if len(self.connections) - len(limits.refused) <= limits.max_connections:
            return
        limits.refused.add(self)
        detail = f"the service already holds {limits.max_connections} connections; try again in a moment"
        self._refuse(503, detail)
        if len(limits.refused) > SPARE_CONNECTIONS:
            self.transport.close()

    def _parse(self) -> None:
        """Parse received data while the connection can use it, and read from the socket again when all is parsed.

        One request is processed at a time, so later ones can wait unparsed.
        """
        while self._feed and not (self.flow.read_paused or self.pipeline or self.transport.is_closing()):
            try:
                self._feed.parse_next_piece()
            except HeadRefused as refused:
                self._refuse(refused.status, refused.detail)
            except HttpParserError:
                self._refuse(400, "these bytes are no request to this server; send an HTTP/1.1 request")
        (self.transport.pause_reading if self._feed else self.transport.resume_reading)()
        self._restart_timer()

    def _refuse(self, status: int, detail: str) -> None:
        """Send an error after the outstanding responses and discard all further data of the client."""
        request_id = f"{random.getrandbits(128):032x}"
        logger.debug("%s is refused with %d: %s %s", self.client, status, detail, request_id)
        self._refusal = final_response(status, detail, request_id)
        self.limits.on_refused(status)
        self._feed.clear()
        if self._feed.stage is Stage.BODY:
            self._abandon_request()
        if not self._unanswered:
            self._send_refusal(self._refusal)

    def _abandon_request(self) -> None:
        """Abandon the last request, whose body cannot be parsed.

        A request gets only one response: if its response has started, the error is not sent.
        """
        cycle = self.cycle
        if cycle.response_started:
            self._refusal = b""
        if cycle in self._unanswered:
            self._unanswered.remove(cycle)
            self.pipeline = deque(queued for queued in self.pipeline if queued[0] is not cycle)
            _disconnect(cycle)

    def _send_refusal(self, refusal: bytes) -> None:
        self._flush()
        if not self.transport.is_closing():
            self.transport.write(refusal)
            self.transport.write_eof()
            self._sent_refusal = True

    def _waiting_for(self) -> Wait:
        if self.transport.is_closing():
            return Wait.END
        if self._sent_refusal:
            return Wait.LINGER
        if self.flow.write_paused:
            return Wait.READER
        if self._unanswered:
            return Wait.SERVICE
        if self._feed.stage is Stage.BODY:
            return Wait.BODY
        return Wait.HEAD if self._feed.head_begun or self.cycle is None else Wait.REQUEST

    def _restart_timer(self) -> None:
        """Start the timeout of what the connection waits for now, unless it is running already."""
        wait = self._waiting_for()
        if wait is self._wait:
            return
        self._wait = wait
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wait is not Wait.SERVICE:
            limits_s = {Wait.REQUEST: self.timeout_keep_alive, Wait.LINGER: _LINGER_S}
            limit_s = limits_s.get(wait, self.limits.client_timeout_s)
            self._timer = self.loop.call_later(limit_s, self._on_timeout, wait)

    def _on_timeout(self, wait: Wait) -> None:
        self._wait = None
        match wait:
            case Wait.HEAD:
                self._refuse(408, f"no request head within {self.limits.client_timeout_s:g} s")
            case Wait.REQUEST | Wait.BODY | Wait.LINGER:
                self._close()
            case Wait.READER | Wait.END:
                self.transport.abort()
        self._restart_timer()


class _Flow(FlowControl):
    """Pauses the parser where uvicorn would pause the socket, since a task may do so after the socket is closed."""

    def __init__(self, transport: asyncio.Transport, resumed: Callable[[], object]) -> None:
        super().__init__(transport)
        self._resumed = resumed

    def pause_reading(self) -> None:
        self.read_paused = True

    def resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self._resumed()


def protocol(
    client_timeout_s: float,
    max_connections: int,
    on_closed: Callable[[], None] = lambda: None,
    on_refused: Callable[[int], None] = lambda _status: None,
) -> type[HttpConnection]:
    """Return a protocol class with these limits, for uvicorn's configuration."""
    limits = ConnectionLimits(client_timeout_s, max_connections, on_closed, on_refused)
    return type("LimitedConnection", (HttpConnection,), {"limits": limits})


def final_response(status: int, detail: str, request_id: str) -> bytes:
    """Return the last response of a connection, for errors outside any request: a head and a problem document."""
    phrase = HTTPStatus(status).phrase
    problem = {"type": "about:blank", "title": phrase, "status": status, "detail": detail, "request_id": request_id}
    body = json.dumps(problem, separators=(",", ":"), ensure_ascii=False).encode()
    retry = "retry-after: 1\r\n" if status == 503 else ""
    head = (
        f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n"
        f"x-request-id: {request_id}\r\nx-content-type-options: nosniff\r\n{retry}\r\n"
    )
    return head.encode() + body


def _close_unless_continued(cycle: RequestResponseCycle) -> None:
    """Close the connection after the response if the client is not told to send its body (`100 Continue`).

    The client may then send the body or leave it out, so that the next bytes could be the body or the next request
    (RFC 9110, 10.1.1). uvicorn sends 100 when the application calls `receive` for the first time.
    """
    keep_alive, receive = cycle.keep_alive, cycle.receive

    async def continue_and_receive() -> Any:
        if cycle.waiting_for_100_continue:
            cycle.keep_alive = keep_alive
        return await receive()

    cycle.keep_alive = False
    cycle.receive = continue_and_receive  # type: ignore[method-assign]


def _disconnect(cycle: RequestResponseCycle) -> None:
    """Mark a request as disconnected, as uvicorn does: nothing more is written for it, and its task is cancelled."""
    cycle.disconnected = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
    if client := client_state_of(cycle.scope):
        client.leave()
