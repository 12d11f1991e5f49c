"""Open loop: requests arrive at a constant rate, whether or not the earlier ones are answered.

    python -m benchmarks.open_loop URL BODY CONTENT_TYPE --rate 100 --seconds 5 --deadline-ms 1000

A latency counts from the moment at which its request was due, so that waiting for a connection, or for this generator
itself, is part of it (no coordinated omission). One process, one thread; the result is printed as JSON.
"""

import asyncio
import json
import math
import time
from collections import Counter, deque
from contextlib import suppress
from pathlib import Path
from typing import Annotated, cast
from urllib.parse import urlsplit

import httptools
import numpy as np
import typer
import uvloop

MAX_CONNECTIONS = 1024
"""Further arrivals wait for a free one, which counts."""
REFUSALS = (429, 503)
LOST = 0
"""In place of a status: the connection broke, or there was no answer until the end."""
STEP_S = 0.001
"""Arrivals fall on a grid of this width, which is what event loops can time."""
_GRACE_S = 1.0
LATE_MS = 50.0
"""Sent later than this after they were due, 1 % of the requests mean that the generator could not keep up."""


class Connection(asyncio.Protocol):
    """One request at a time on a connection that is kept."""

    def __init__(self, generator: "Generator") -> None:
        self._generator = generator
        self._parser = httptools.HttpResponseParser(self)
        self.due: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods, not the base class
        self._generator.free(self)

    def send(self, request: bytes, due: float) -> None:
        self.due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        due, self.due = self.due, None
        if due is not None:
            self._generator.answered(self._parser.get_status_code(), due)
        if self._parser.should_keep_alive():
            self._generator.free(self)
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        due, self.due = self.due, None
        self._generator.lost(self, due)

    def close(self) -> None:
        self._transport.close()


class Generator:
    """Sends `request` to an address and keeps (status, seconds since due) of every answer."""

    def __init__(self, host: str, port: int, request: bytes, max_connections: int = MAX_CONNECTIONS) -> None:
        self._address = host, port
        self._request = request
        self._max_connections = max_connections
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        self._waiting: deque[float] = deque()
        self._open = 0
        self._opening: set[asyncio.Task[None]] = set()
        self._pending = 0
        self._all_answered = asyncio.Event()
        self.answers: list[tuple[int, float]] = []
        self.lateness_s: list[float] = []

    async def run(self, rate: float, seconds: float, patience_s: float) -> None:
        """Send `rate * seconds` requests, then wait for answers, at most `patience_s`; the others are lost."""
        start = time.perf_counter()
        for index in range(round(rate * seconds)):
            due = start + math.ceil(index / rate / STEP_S) * STEP_S
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(math.ceil(ahead / STEP_S) * STEP_S)
            elif index % 50 == 0:
                await asyncio.sleep(0)  # a generator that is late still reads answers
            self.lateness_s.append(time.perf_counter() - due)
            self._arrive(due)
        await self._settled(patience_s)

    async def _settled(self, patience_s: float) -> None:
        self._all_answered.clear()
        if self._pending:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_answered.wait(), patience_s)
        self._give_up()

    def _arrive(self, due: float) -> None:
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
            await asyncio.get_running_loop().create_connection(lambda: Connection(self), *self._address)
        except OSError:
            self._open -= 1
            if self._waiting:
                self.answered(LOST, self._waiting.popleft())

    def free(self, connection: Connection) -> None:
        """It can take the next request."""
        self._connections.add(connection)
        if self._waiting:
            connection.send(self._request, self._waiting.popleft())
        else:
            self._idle.append(connection)

    def answered(self, status: int, due: float) -> None:
        self._pending -= 1
        if not self._pending:
            self._all_answered.set()
        self.answers.append((status, time.perf_counter() - due))

    def lost(self, connection: Connection, due: float | None) -> None:
        """The connection is gone, with its request if there is one."""
        self._open -= 1
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if due is not None:
            self.answered(LOST, due)

    def _give_up(self) -> None:
        """What is still pending is as late as it is now."""
        busy = [connection.due for connection in self._connections if connection.due is not None]
        for due in [*self._waiting, *busy]:
            self.answered(LOST, due)
        self._waiting.clear()
        for connection in self._connections:
            connection.due = None
            connection.close()


def summarize(generator: Generator, rate: float, seconds: float, deadline_s: float) -> dict[str, float]:
    """Good are answers of status 200 within the deadline; accepted are all but refusals, lost ones included."""
    answered = np.array([took for status, took in generator.answers if status == 200])
    accepted = np.array([took for status, took in generator.answers if status not in REFUSALS])
    late_ms = float(np.percentile(generator.lateness_s, 99)) * 1000
    return {
        "rate_per_s": rate,
        "seconds": seconds,
        "sent": len(generator.lateness_s),
        "good_per_s": float(np.count_nonzero(answered <= deadline_s)) / seconds,
        "accepted_p99_ms": _percentiles(accepted).get("p99_ms", 0.0),
        "late_p99_ms": late_ms,
        "generator_saturated": float(late_ms > LATE_MS),
        **_percentiles(answered),
    }


def _percentiles(seconds: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> dict[str, float]:
    if not len(seconds):
        return {}
    values = np.percentile(seconds, (50, 90, 99, 100)) * 1000
    return dict(zip(("p50_ms", "p90_ms", "p99_ms", "max_ms"), map(float, values), strict=True))


def request(path: str, host: str, body: bytes, content_type: str, deadline_ms: int) -> bytes:
    head = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Type: {content_type}"]
    head += [f"Content-Length: {len(body)}", f"X-Deadline-Ms: {deadline_ms}"]
    return "\r\n".join([*head, "", ""]).encode() + body


def main(
    url: str,
    body: Path,
    content_type: str,
    rate: Annotated[float, typer.Option(min=0.1, help="Requests per second.")] = 100,
    seconds: Annotated[float, typer.Option(min=0.1)] = 5,
    deadline_ms: Annotated[int, typer.Option(min=1)] = 1000,
) -> None:
    """Send at a constant rate and print the result as JSON."""
    target = urlsplit(url)
    host, port = target.hostname or "127.0.0.1", target.port or 80
    message = request(target.path or "/", f"{host}:{port}", body.read_bytes(), content_type, deadline_ms)
    generator = Generator(host, port, message)
    before_s = time.process_time()
    uvloop.run(generator.run(rate, seconds, deadline_ms / 1000 + _GRACE_S))
    cpu_s = time.process_time() - before_s
    values = summarize(generator, rate, seconds, deadline_ms / 1000) | {"generator_cpu_s": cpu_s}
    statuses = Counter(str(status or "lost") for status, _ in generator.answers)
    print(json.dumps({"values": values, "statuses": statuses}))


if __name__ == "__main__":
    typer.run(main)
