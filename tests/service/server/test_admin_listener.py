"""The admin API in an event loop that does other work: it answers, is never in the way, and ends."""

import asyncio
import logging
import socket
import threading
from pathlib import Path

import httpx2 as httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from service.server.admin_listener import AdminListener
from service.server.sockets import CannotListen
from service.settings import Settings
from service.telemetry.metrics import Metrics


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


def with_port(path: Path, **values: object) -> AdminListener:
    """A listener whose port is free, or the one of the values."""
    (path / "keys").touch()
    settings = Settings.model_validate(
        {"admin_socket": str(path / "a.sock"), "keys": path / "keys", "admin_port": 0} | values
    )
    app = Starlette(routes=[Route("/", hello)])
    return AdminListener(settings, 8000, lambda: app, lambda _metrics: app, Metrics().requests)


def logged_url(caplog: pytest.LogCaptureFixture) -> str:
    lines = [record.getMessage() for record in caplog.records]
    (line,) = [line for line in lines if line.startswith("the admin API answers keys")]
    return line.rpartition(" ")[2]


async def test_the_port_answers_beside_the_socket(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log names it; at the end both are closed."""
    caplog.set_level(logging.INFO)
    admin = with_port(tmp_path)
    admin.start()
    url = logged_url(caplog)
    assert url.startswith("http://127.0.0.1:")
    async with httpx.AsyncClient() as client:
        answers = [client.get(url, timeout=60) for _ in range(3)]
        assert [each.text for each in await asyncio.gather(*answers)] == ["hello"] * 3
        assert await ask(tmp_path / "a.sock") == "hello"
        await admin.close()
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_a_port_that_is_taken_ends_the_start(tmp_path: Path) -> None:
    """With the options that name it, and without a socket left behind."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"127\.0\.0\.1 port {port}: .*; see --admin-host and --admin-port"):
            with_port(tmp_path, admin_port=port)
    assert not (tmp_path / "a.sock").exists()


async def test_keys_on_their_way_in_the_open_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where other machines reach the port without TLS."""
    admin = with_port(tmp_path, admin_host="0.0.0.0")
    admin.start()
    await admin.close()
    assert any("are sent unencrypted to 0.0.0.0" in record.getMessage() for record in caplog.records)
