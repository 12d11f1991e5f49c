"""The HTTP server of the admin API: it answers clients, keeps the limits, and ends requests that do not end."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2 as httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from service.server.admin_socket import AdminSocket
from service.server.certificates import PemFile, TlsMaterial
from service.server.http.admin_server import MAX_CONNECTIONS, AdminServer
from service.server.sockets import listen
from tests.support.certificates import Authority


async def answer(request: Request) -> PlainTextResponse:
    if request.url.path == "/slow":
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return PlainTextResponse("ended")
    return PlainTextResponse("done")


APP = Starlette(routes=[Route("/{path}", answer)])


@contextlib.asynccontextmanager
async def serving(server: AdminServer) -> AsyncIterator[int]:
    """Serve on a TCP port, which is returned."""
    listeners = listen("127.0.0.1", 0)
    await server.start(listeners)
    yield listeners[0].getsockname()[1]
    await server.stop()


async def test_it_answers_and_ends_requests_that_do_not_end(tmp_path: Path) -> None:
    """After a second, with what the application answers then."""
    made = AdminSocket(tmp_path / "a.sock")
    server = AdminServer(APP, 30)
    await server.stop()  # nothing to do before the start
    await server.start([made.listener])
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(made.path)), timeout=60) as client:
        assert (await client.get("http://admin/quick")).text == "done"
        slow = asyncio.create_task(client.get("http://admin/slow"))
        await asyncio.sleep(0.2)
        await server.stop()
        assert (await slow).text == "ended"


async def read_problem(reader: asyncio.StreamReader) -> dict[str, object]:
    head, _, body = (await asyncio.wait_for(reader.read(), 20)).partition(b"\r\n\r\n")
    return {"status": int(head.split()[1]), **json.loads(body)}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /a HTTP/1.1\r\nHost: a\r\n", 408),
        (b"GET /a HTTP/1.1\r\n" + b"X: " + b"x" * 70_000, 431),
        (b"\x00\r\n", 400),
    ],
)
async def test_heads_have_the_limits_of_the_public_server(sent: bytes, status: int) -> None:
    """Time, length and form; refusals are counted."""
    refused = list[int]()
    async with serving(AdminServer(APP, 0.3, refused.append)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert (await read_problem(reader))["status"] == status
        writer.close()
    assert refused == [status]


async def test_the_number_of_connections_has_a_limit() -> None:
    """A further one gets 503 and a problem; those that are open go on."""
    async with serving(AdminServer(APP, 30)) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CONNECTIONS)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert (await read_problem(reader))["status"] == 503
        held[0][1].write(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"200 OK" in await asyncio.wait_for(held[0][0].readline(), 20)
        for each in (writer, *(writer for _, writer in held)):
            each.close()


async def test_it_speaks_tls_with_the_certificate_in_force(tmp_path: Path) -> None:
    """Before there is one, connections are closed; a new one is for new connections; plain HTTP is refused."""
    authority, failed = Authority(tmp_path / "ca"), list[str]()
    server = AdminServer(APP, 30, on_failed_handshake=failed.append, tls=True)
    async with serving(server) as port, httpx.AsyncClient(verify=authority.context()) as client:
        with pytest.raises(httpx.TransportError):
            await client.get(f"https://localhost:{port}/a")
        serials = set()
        for number in range(2):
            pair = tmp_path / f"{number}.crt", tmp_path / f"{number}.key"
            authority.sign(*pair)
            server.use(TlsMaterial(*(PemFile(str(each), each.read_bytes()) for each in pair)))
            async with httpx.AsyncClient(verify=authority.context()) as fresh:
                assert (await fresh.get(f"https://localhost:{port}/a")).text == "done"
            _, writer = await asyncio.open_connection("localhost", port, ssl=authority.context())
            serials.add(writer.get_extra_info("peercert")["serialNumber"])
            writer.close()
        assert len(serials) == 2
        plain = await client.get(f"http://localhost:{port}/a")
        assert (plain.status_code, "use https://" in plain.json()["detail"]) == (400, True)
    assert failed == ["closed", "not_tls"]


async def test_a_stop_ends_handshakes_in_progress(tmp_path: Path) -> None:
    """So that a client that never finishes its own does not hold the end of the service."""
    authority = Authority(tmp_path / "ca")
    pair = tmp_path / "a.crt", tmp_path / "a.key"
    authority.sign(*pair)
    server = AdminServer(APP, 30, tls=True)
    server.use(TlsMaterial(*(PemFile(str(each), each.read_bytes()) for each in pair)))
    async with asyncio.timeout(10), serving(server) as port:
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"\x16\x03\x01")
        await asyncio.sleep(0.2)
    client.close()
