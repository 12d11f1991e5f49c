"""The HTTP server of the admin socket: it answers clients, and ends requests that do not end."""

import asyncio
from pathlib import Path

import httpx2 as httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from service.server.admin_socket import AdminSocket
from service.server.http.admin_server import AdminServer


async def answer(request: Request) -> PlainTextResponse:
    if request.url.path == "/slow":
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return PlainTextResponse("ended")
    return PlainTextResponse("done")


async def test_it_answers_and_ends_requests_that_do_not_end(tmp_path: Path) -> None:
    """After a second, with what the application answers then."""
    made = AdminSocket(tmp_path / "a.sock")
    server = AdminServer(Starlette(routes=[Route("/{path}", answer)]))
    await server.stop()  # nothing to do before the start
    await server.start(made.listener)
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(made.path)), timeout=60) as client:
        assert (await client.get("http://admin/quick")).text == "done"
        slow = asyncio.create_task(client.get("http://admin/slow"))
        await asyncio.sleep(0.2)
        await server.stop()
        assert (await slow).text == "ended"
