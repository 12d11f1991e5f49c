"""The admin socket in an event loop that does other work: it answers, is never in the way, and ends."""

import asyncio
import logging
import threading
from pathlib import Path

import httpx2 as httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from service.server.admin_listener import AdminListener
from service.settings import Settings


async def hello(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


def listener(path: Path | str, threads: list[str] | None = None) -> AdminListener:
    def make_app() -> Starlette:
        if threads is not None:
            threads.append(threading.current_thread().name)
        return Starlette(routes=[Route("/", hello)])

    return AdminListener(Settings(admin_socket=str(path)), 8000, make_app)


async def ask(path: Path) -> str:
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path))) as client:
        return (await client.get("http://admin/", timeout=60)).text


async def test_it_answers_from_its_first_connection_on(tmp_path: Path) -> None:
    """The application is made then, in a thread, and only once."""
    path, threads = tmp_path / "a.sock", list[str]()
    admin = listener(path, threads)
    admin.start()
    assert not threads
    assert await asyncio.gather(*(ask(path) for _ in range(3))) == ["hello"] * 3
    assert len(threads) == 1
    assert threads[0] != threading.main_thread().name
    await admin.close()
    assert not path.exists()
    await admin.close()


async def test_it_ends_without_a_connection(tmp_path: Path) -> None:
    """And nothing is left of it."""
    path, threads = tmp_path / "a.sock", list[str]()
    admin = listener(path, threads)
    admin.start()
    await admin.close()
    assert (path.exists(), threads) == (False, [])


async def test_a_socket_that_cannot_be_made_is_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The service goes on without."""
    living = listener(tmp_path / "a.sock")
    admin = listener(tmp_path / "a.sock")
    admin.start()
    await admin.close()
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "cannot reach this service: another service that is running has the admin socket" in warnings[0]
    living.start()
    await living.close()


async def test_off_makes_none(caplog: pytest.LogCaptureFixture) -> None:
    """Without a warning."""
    admin = listener("off")
    admin.start()
    await admin.close()
    assert not caplog.records
