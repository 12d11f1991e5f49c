"""Closed loop in Python, for machines without wrk: each connection sends its next request after the answer.

    python -m benchmarks.gpu.closed_python URL BODY CONTENT_TYPE --connections 8 --seconds 5

One process, one thread; the result is printed as JSON with the names that benchmarks/load/post.lua gives it.
"""

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import numpy as np
import typer
import uvloop

from benchmarks.load.open_loop_client import LOST, ClientConnection, OpenLoopClient

_CONNECT_LIMIT_S = 10.0


class ClosedLoop(OpenLoopClient):
    """Keeps one request in flight per connection and records (status, seconds) of every answer until the end."""

    def __init__(self, host: str, port: int, request: bytes) -> None:
        super().__init__(host, port, request)
        self._over = False

    async def keep(self, connections: int, seconds: float) -> float:
        """Run the load and return its duration in seconds. Raises OSError when the server cannot be reached."""
        loop, started = asyncio.get_running_loop(), time.perf_counter()
        async with asyncio.timeout(_CONNECT_LIMIT_S):
            for _ in range(connections):
                await loop.create_connection(lambda: ClientConnection(self), *self._address)
        await asyncio.sleep(seconds)
        took, self._over = time.perf_counter() - started, True
        self._expire_pending()
        return took

    def on_idle(self, connection: ClientConnection) -> None:
        """Send the next request on this connection, until the end."""
        self._connections.add(connection)
        if not self._over:
            connection.send(self._request, time.perf_counter())

    def on_answer(self, status: int, due: float) -> None:
        """Record an answer, until the end."""
        if not self._over:
            super().on_answer(status, due)


def summarize(answers: list[tuple[int, float]], seconds: float) -> dict[str, float]:
    """Return rates and percentiles in ms. failed: status 400 and above. Lost requests count as socket errors."""
    times = [took for status, took in answers if status != LOST]
    values = {
        "seconds": seconds,
        "answers": float(len(times)),
        "failed": float(sum(status >= 400 for status, _ in answers)),
        "timeouts": 0.0,
        "socket_errors": float(len(answers) - len(times)),
    }
    if times:
        found = np.percentile(times, (50, 90, 99, 100)) * 1000
        values |= dict(zip(("p50_ms", "p90_ms", "p99_ms", "max_ms"), map(float, found), strict=True))
    return values | {"per_s": (values["answers"] - values["failed"]) / seconds}


def request(path: str, host: str, body: bytes, content_type: str) -> bytes:
    """Return the bytes of one HTTP request."""
    head = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


def main(
    url: str,
    body: Path,
    content_type: str,
    connections: Annotated[int, typer.Option(min=1)] = 8,
    seconds: Annotated[float, typer.Option(min=0.1)] = 5,
) -> None:
    """Keep `connections` requests in flight and print the result as JSON."""
    target = urlsplit(url)
    host, port = target.hostname or "127.0.0.1", target.port or 80
    loop = ClosedLoop(host, port, request(target.path or "/", f"{host}:{port}", body.read_bytes(), content_type))
    took = uvloop.run(loop.keep(connections, seconds))
    print(json.dumps(summarize(loop.answers, took)))


if __name__ == "__main__":
    typer.run(main)
