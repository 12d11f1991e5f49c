"""An HTTP client that sends requests at a constant rate on keep-alive connections, and records the answers."""

import asyncio
import math
import random
import time
from collections import deque
from contextlib import suppress
from typing import cast

import httptools

MAX_CONNECTIONS = 1024
"""Limit of connections. Further requests wait for an idle connection; the wait is part of their latency."""
LOST = 0
"""Recorded instead of a status when the connection broke or no answer came before the end."""
STEP_S = 0.001
"""Requests are due at multiples of this, the resolution of event loop timers."""


class ClientConnection(asyncio.Protocol):
    """One keep-alive connection with at most one request in flight."""

    def __init__(self, client: "OpenLoopClient") -> None:
        self._client = client
        self._parser = httptools.HttpResponseParser(self)
        self.due: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport has the methods of asyncio.Transport but not that base class.
        self._transport = cast(asyncio.Transport, transport)
        self._client.on_idle(self)

    def send(self, request: bytes, due: float) -> None:
        self.due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        due, self.due = self.due, None
        if due is not None:
            self._client.on_answer(self._parser.get_status_code(), due)
        if self._parser.should_keep_alive():
            self._client.on_idle(self)
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        due, self.due = self.due, None
        self._client.on_lost(self, due)

    def close(self) -> None:
        self._transport.close()


class OpenLoopClient:
    """Sends `request` to an address and records (status, seconds since due) of every answer."""

    def __init__(self, host: str, port: int, request: bytes, max_connections: int = MAX_CONNECTIONS) -> None:
        self._address = host, port
        self._request = request
        self._max_connections = max_connections
        self._idle: list[ClientConnection] = []
        self._connections: set[ClientConnection] = set()
        self._waiting: deque[float] = deque()
        self._open = 0
        self._opening: set[asyncio.Task[None]] = set()
        self._pending = 0
        self._all_answered = asyncio.Event()
        self._start = time.perf_counter()
        self.answers: list[tuple[int, float]] = []
        self.answered_s: list[float] = []
        """Time of each answer, in seconds since the start."""
        self.lateness_s: list[float] = []

    async def run(self, rate: float, seconds: float, timeout_s: float, seed: int | None = None) -> None:
        """Send `rate * seconds` requests, then wait at most `timeout_s` for answers; the rest is recorded as LOST.

        seed: of random intervals, those of a Poisson process; None for equal ones.
        """
        chance, due_s = random.Random(seed), 0.0
        start = self._start = time.perf_counter()
        for index in range(round(rate * seconds)):
            due_s = index / rate if seed is None else due_s + chance.expovariate(rate)
            due = start + math.ceil(due_s / STEP_S) * STEP_S
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(math.ceil(ahead / STEP_S) * STEP_S)
            elif index % 50 == 0:
                await asyncio.sleep(0)  # read answers also when sending is late
            self.lateness_s.append(time.perf_counter() - due)
            self._send_or_queue(due)
        await self._await_answers(timeout_s)

    async def _await_answers(self, timeout_s: float) -> None:
        """Wait until no request is pending, for at most `timeout_s`, then record the rest as LOST."""
        self._all_answered.clear()
        if self._pending:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_answered.wait(), timeout_s)
        self._expire_pending()

    def _send_or_queue(self, due: float) -> None:
        """Send a request on an idle connection, or queue it and open a new connection below the limit."""
        self._pending += 1
        if self._idle:
            self._idle.pop().send(self._request, due)
            return
        self._waiting.append(due)
        if self._open < self._max_connections:
            self._open += 1
            task = asyncio.ensure_future(self._connect())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: ClientConnection(self), *self._address)
        except OSError:
            self._open -= 1
            if self._waiting:
                self.on_answer(LOST, self._waiting.popleft())

    def on_idle(self, connection: ClientConnection) -> None:
        """Send the next waiting request on this connection, or keep it for later."""
        self._connections.add(connection)
        if self._waiting:
            connection.send(self._request, self._waiting.popleft())
        else:
            self._idle.append(connection)

    def on_answer(self, status: int, due: float) -> None:
        """Record the answer to a request that was due at `due`."""
        self._pending -= 1
        if not self._pending:
            self._all_answered.set()
        now = time.perf_counter()
        self.answers.append((status, now - due))
        self.answered_s.append(now - self._start)

    def on_lost(self, connection: ClientConnection, due: float | None) -> None:
        """Forget a closed connection; its request, if any, is recorded as LOST."""
        self._open -= 1
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if due is not None:
            self.on_answer(LOST, due)

    def _expire_pending(self) -> None:
        """Record every pending request as LOST, with the latency until now, and close the connections."""
        busy = [connection.due for connection in self._connections if connection.due is not None]
        for due in [*self._waiting, *busy]:
            self.on_answer(LOST, due)
        self._waiting.clear()
        for connection in self._connections:
            connection.due = None
            connection.close()
