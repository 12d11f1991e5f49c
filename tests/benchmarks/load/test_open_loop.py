"""The generator of constant arrivals against a small real server."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from benchmarks.load.open_loop import request, summarize
from benchmarks.load.open_loop_client import LOST, OpenLoopClient

MESSAGE = request("/", "a", b"x" * 1000, "application/octet-stream", 500)
ANSWER = b"HTTP/1.1 %d OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def serving(answer: Callable[[int], bytes | None]) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A port, and the heads of the requests; `answer` gets their numbers and may be silent, or hang up with b""."""
    heads: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                await reader.readexactly(1000)
                said = answer(len(heads) - 1)
                if said == b"":
                    break
                writer.write(said or b"")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heads
    finally:
        server.close()


async def run(port: int, rate: float = 200, seconds: float = 0.2, connections: int = 1024) -> OpenLoopClient:
    client = OpenLoopClient("127.0.0.1", port, MESSAGE, connections)
    await client.run(rate, seconds, timeout_s=0.2)
    return client


def statuses(client: OpenLoopClient) -> Counter[int]:
    return Counter(status for status, _ in client.answers)


async def test_every_arrival_is_sent_once_and_answered_once() -> None:
    """As many as rate times seconds, with the deadline in the head."""
    async with serving(lambda _: ANSWER % 200) as (port, heads):
        client = await run(port)
    assert statuses(client) == {200: 40}
    assert len(heads) == 40
    assert all(b"X-Deadline-Ms: 500" in head for head in heads)
    assert all(seconds >= 0 for _, seconds in client.answers)


async def test_refusals_are_no_good_answers() -> None:
    """And the percentiles of accepted requests leave them out."""
    async with serving(lambda number: ANSWER % (503 if number % 2 else 200)) as (port, _):
        client = await run(port)
    values = summarize(client, 200, 0.2, 0.5)
    assert statuses(client) == {200: 20, 503: 20}
    assert 60 <= values["good_per_s"] <= 110
    assert values["sent"] == 40


async def test_waiting_for_a_connection_is_part_of_the_latency() -> None:
    """One connection that is never answered: all requests are lost, the first after waiting longest."""
    async with serving(lambda _: None) as (port, heads):
        client = await run(port, connections=1)
    assert len(heads) == 1
    assert statuses(client) == {LOST: 40}
    waited = sorted(seconds for _, seconds in client.answers)
    assert waited[-1] - waited[0] > 0.15


async def test_a_hang_up_is_lost_and_the_next_request_takes_a_new_connection() -> None:
    """A server that closes every third time."""
    async with serving(lambda number: b"" if number % 3 == 0 else ANSWER % 200) as (port, heads):
        client = await run(port)
    assert statuses(client) == {LOST: 14, 200: 26}
    assert len(heads) == 40


async def test_nobody_listening_loses_everything() -> None:
    """And ends."""
    async with serving(lambda _: None) as (port, _):
        pass
    assert statuses(await run(port)) == {LOST: 40}


async def test_goodput_is_what_is_answered_within_the_load() -> None:
    """Not while a queue fills, nor what is answered when no more requests come."""
    client = OpenLoopClient("127.0.0.1", 1, MESSAGE)
    client.answers = [(200, 0.1), (200, 0.1), (200, 0.9), (503, 0.1), (200, 0.1)]
    client.answered_s = [0.2, 0.3, 0.5, 0.6, 1.1]
    client.lateness_s = [0.0]
    assert summarize(client, 5, 1.0, 0.5)["good_per_s"] == pytest.approx(1 / 0.75)


async def test_lost_requests_count_as_accepted() -> None:
    """A service that accepts and never answers must not look fast."""
    async with serving(lambda _: None) as (port, _):
        values = summarize(await run(port), 200, 0.2, 0.1)
    assert values["good_per_s"] == 0
    assert values["accepted_p99_ms"] >= 200
    assert "p99_ms" not in values


async def test_the_command_prints_json(tmp_path: Path) -> None:
    """As the suite reads it."""
    body = tmp_path / "body"
    body.write_bytes(b"x" * 1000)
    async with serving(lambda _: ANSWER % 200) as (port, _):
        command = [
            sys.executable,
            "-m",
            "benchmarks.load.open_loop",
            f"http://127.0.0.1:{port}/",
            str(body),
            "image/png",
        ]
        command += ["--rate", "50", "--seconds", "0.2"]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["statuses"] == {"200": 10}
    assert found["values"]["sent"] == 10
