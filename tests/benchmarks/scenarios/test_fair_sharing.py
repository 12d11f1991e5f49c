"""How answers of two clients are counted and judged."""

import asyncio
import time
from contextlib import closing

import pytest

from benchmarks.scenarios.fair_sharing import Load, Rates, Round, median_of, row, send


def test_the_fair_share_is_half_but_not_more_than_what_is_got_alone() -> None:
    """A small client that asks for little has a right to that."""
    assert Round(small_alone=100, large_alone=80, small=30, large=40, refused=0).fair_share == 40
    assert Round(small_alone=10, large_alone=80, small=9, large=70, refused=0).fair_share == 10


def test_a_row_has_the_medians() -> None:
    """And the part of the fair share."""
    rounds = [Round(100, 80, small, 40, 10) for small in (20, 30, 36)]
    assert median_of(rounds).small == 30
    assert row("one process", median_of(rounds)) == "| one process | 100.0 | 80.0 | 40.0 | 30.0 | 0.75 | 40.0 | 10 |"


async def _serve(answer_bytes: bytes) -> tuple[asyncio.Server, int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            while await reader.read(1):
                await asyncio.sleep(0.01)
                writer.write(answer_bytes)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(("status", "good"), [(b"200 OK", True), (b"503 Unavailable", False)])
async def test_a_closed_loop_counts_answers_from_its_beginning_on(status: bytes, good: bool) -> None:
    """Answers of status 200, and others."""
    server, port = await _serve(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")
    async with server:
        begin_at = time.monotonic() + 0.2
        rates: Rates = await asyncio.to_thread(send, Load("127.0.0.3", 2), port, b"x", begin_at, 0.5)
    counted, other = rates if good else reversed(rates)
    assert 20 <= counted <= 210
    assert other == 0
