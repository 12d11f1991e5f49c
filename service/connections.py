"""What happens before there is a request: a head that never comes, bytes that are no HTTP, too many connections."""

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.problems import MEDIA_TYPE, plain_problem
from service.schemas import Problem

_STATUS_LINES = {400: b"HTTP/1.1 400 Bad Request", 408: b"HTTP/1.1 408 Request Timeout", 503: b"HTTP/1.1 503 Busy"}


class Connection(HttpToolsProtocol):
    """One client connection, with the limits that `protocol` sets."""

    head_timeout_s: ClassVar[float]
    max_connections: ClassVar[int]
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > self.max_connections:
            self._refuse(503, f"the service already holds {self.max_connections} connections; try again in a moment")

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._head_arrived()
        self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_arrived()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._end_soon()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._end_soon()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, f"{msg} Send an HTTP/1.1 request.")

    def _await_head(self) -> None:
        detail = f"no request head within {self.head_timeout_s:g} s"
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._refuse, 408, detail)

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: int, detail: str) -> None:
        if not self.transport.is_closing():
            self.transport.write(_answer(plain_problem(status, detail)))
            self.transport.close()
            self._end_soon()

    def _end_soon(self) -> None:
        """A closing transport waits for its peer to read what is left; one that never does is cut off."""
        if self.transport.is_closing():
            self.loop.call_later(self.head_timeout_s, self.transport.abort)


def protocol(head_timeout_s: float, max_connections: int) -> type[Connection]:
    """uvicorn's protocol with these limits, as the class that its configuration wants."""
    return type("Limited", (Connection,), {"head_timeout_s": head_timeout_s, "max_connections": max_connections})


def _answer(problem: Problem) -> bytes:
    body = problem.model_dump_json(exclude_none=True).encode()
    headers: dict[str, Any] = {"content-type": MEDIA_TYPE, "content-length": len(body), "connection": "close"}
    if problem.status == 503:
        headers["retry-after"] = 1
    lines = [_STATUS_LINES[problem.status], *(f"{name}: {value}".encode() for name, value in headers.items())]
    return b"\r\n".join([*lines, b"", body])
