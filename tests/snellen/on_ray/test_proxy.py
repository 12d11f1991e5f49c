"""Requests whose replica was lost: 503 from Ray's proxies."""

import httpx2 as httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from snellen.on_ray.proxy import middleware


async def nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """What a proxy of Ray does when the replica is gone."""


@pytest.mark.parametrize(("app", "status"), [(nothing, 503), (PlainTextResponse("answer"), 200)])
async def test_no_answer_becomes_503(app: ASGIApp, status: int) -> None:
    """A problem with Retry-After, as from the service itself; answers stay as they are."""
    (only,) = middleware()
    transport = httpx.ASGITransport(only.cls(app, *only.args, **only.kwargs))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post("/v1/classify", content=b"image")
    assert answer.status_code == status
    if status == 503:
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "/problems/not-ready"
