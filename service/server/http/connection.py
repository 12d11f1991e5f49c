"""Extends uvicorn's HTTP protocol: every wait has a time limit, and input that is not HTTP gets a problem document."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from httptools import HttpParserError
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.server.http.error_response import final_response
from service.server.http.request_feed import MAX_HEAD_BYTES, HeadTooLarge, RequestFeed, Stage
from service.server.http.timeouts import ConnectionTimeouts, TimeoutKind
from service.server.http.write_buffer import WriteCoalescer
from service.types import attach_client_state, client_state_of

SPARE_CONNECTIONS = 64
"""Connections above the limit that are kept open briefly, so that their clients can read the refusal."""

_FIRST_REQUEST_S = 1.0
"""At the end of a drain, seconds for the first request on a connection that was made just before."""


@dataclass
class ConnectionLimits:
    """The limits of the connections of a process.

    client_timeout_s: seconds a client has for each step of a request. refused: connections above `max_connections`.
    """

    client_timeout_s: float
    max_connections: int
    refused: set["HttpConnection"] = field(default_factory=set)


class HttpConnection(HttpToolsProtocol):
    """The connection of one client.

    The client has `client_timeout_s` seconds for each step, such as sending a head or reading a response. For its next
    request it has uvicorn's keep-alive time.
    """

    limits: ClassVar[ConnectionLimits]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow: _Flow = _Flow(transport, lambda: self.loop.call_soon(self._read_on))
        self._intake = RequestFeed(self)
        self._answers = WriteCoalescer(transport, self.loop)
        self._unanswered: deque[RequestResponseCycle] = deque()
        self._refusal: bytes | None = None
        self._sent_final_response = self._reading_paused = self._ending = False
        self._patience = ConnectionTimeouts(
            self.loop, self.limits.client_timeout_s, self.timeout_keep_alive, self._time_is_up
        )
        self._check_place()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self.limits.refused.discard(self)
        for cycle in self._unanswered:  # uvicorn disconnects only the last one; the others would still write
            _disconnect(cycle)
        self.pipeline.clear()
        self._patience.end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal is None:
            self._intake.add(data)
            self._read_on()

    def eof_received(self) -> None:
        """Write the buffered responses; the transport closes when this method returns."""
        self._answers.flush()

    def on_headers_complete(self) -> None:
        attach_client_state(self.scope)
        super().on_headers_complete()
        self.cycle.transport = self._answers  # type: ignore[assignment]
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

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if client := client_state_of(self.scope):
            client.sent_all = True

    def on_response_complete(self) -> None:
        """Do what uvicorn's method does, but without its keep-alive timer, which TimeoutKind.REQUEST replaces."""
        self.server_state.total_requests += 1
        if len(self.tasks) == 1:  # no other response could be written together with this one
            self._answers.flush()
        self._unanswered.popleft()
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
        if self._refusal is not None and not self._unanswered:
            self._send_final_response(self._refusal)
        self._read_on()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._watch()

    def shutdown(self) -> None:
        """Close after the outstanding responses; a client that has just connected may still send its first request."""
        if self._unanswered:
            self._unanswered[-1].keep_alive = False
        elif (self.cycle is None or self._intake.head_begun) and not self._ending:
            self._ending = True
            self.loop.call_later(_FIRST_REQUEST_S, self.shutdown)
        else:
            self._answers.close()
            self._watch()

    def _check_place(self) -> None:
        limits = self.limits
        if len(self.connections) - len(limits.refused) <= limits.max_connections:
            return
        limits.refused.add(self)
        detail = f"the service already holds {limits.max_connections} connections; try again in a moment"
        self._refuse(503, detail)
        if len(limits.refused) > SPARE_CONNECTIONS:
            self.transport.close()

    def _read_on(self) -> None:
        """Parse received data while the connection can use it, and read from the socket again when all is parsed."""
        while self._intake and self._wants_more():
            try:
                self._intake.take()
            except HeadTooLarge:
                self._refuse(431, f"the head of a request has at most {MAX_HEAD_BYTES} bytes; send fewer headers")
            except HttpParserError:
                self._refuse(400, "these bytes are no request to this server; send an HTTP/1.1 request")
        self._pause_reading(bool(self._intake))
        self._watch()

    def _wants_more(self) -> bool:
        """Return whether to parse on. One request is processed at a time, so later ones can wait unparsed."""
        return not (self.flow.read_paused or self.pipeline or self.transport.is_closing())

    def _pause_reading(self, paused: bool) -> None:
        if paused == self._reading_paused or self.transport.is_closing():
            return
        self._reading_paused = paused
        if paused:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _refuse(self, status: int, detail: str) -> None:
        """Send an error after the outstanding responses and discard all further data of the client."""
        self.logger.debug("%s is refused with %d: %s", self.client, status, detail)
        self._refusal = final_response(status, detail)
        self._intake.clear()
        if self._intake.stage is Stage.BODY:
            self._abandon_request()
        if not self._unanswered:
            self._send_final_response(self._refusal)

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

    def _send_final_response(self, last_words: bytes) -> None:
        self._answers.flush()
        if not self.transport.is_closing():
            self.transport.write(last_words)
            self.transport.write_eof()
            self._sent_final_response = True

    def _waiting_for(self) -> TimeoutKind:
        if self.transport.is_closing():
            return TimeoutKind.END
        if self._sent_final_response:
            return TimeoutKind.FAREWELL
        if self.flow.write_paused:
            return TimeoutKind.READER
        if self._unanswered:
            return TimeoutKind.SERVICE
        if self._intake.stage is Stage.BODY:
            return TimeoutKind.BODY
        return TimeoutKind.HEAD if self._intake.head_begun or self.cycle is None else TimeoutKind.REQUEST

    def _watch(self) -> None:
        self._patience.wait_for(self._waiting_for())

    def _time_is_up(self, wait: TimeoutKind) -> None:
        match wait:
            case TimeoutKind.HEAD:
                self._refuse(408, f"no request head within {self.limits.client_timeout_s:g} s")
            case TimeoutKind.REQUEST | TimeoutKind.BODY | TimeoutKind.FAREWELL:
                self._answers.close()
            case TimeoutKind.READER | TimeoutKind.END:
                self.transport.abort()
        self._watch()


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


def protocol(client_timeout_s: float, max_connections: int) -> type[HttpConnection]:
    """Return a protocol class with these limits, for uvicorn's configuration."""
    return type("Limited", (HttpConnection,), {"limits": ConnectionLimits(client_timeout_s, max_connections)})


def _disconnect(cycle: RequestResponseCycle) -> None:
    """Mark a request as disconnected, as uvicorn does: nothing more is written for it, and its task is cancelled."""
    cycle.disconnected = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
    if client := client_state_of(cycle.scope):
        client.leave()
