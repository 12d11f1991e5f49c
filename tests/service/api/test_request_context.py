"""What is around every request."""

import asyncio
import json

from starlette.types import Message, Receive, Scope, Send

from service.api.request_context import RequestContextMiddleware
from service.telemetry.health import Health
from service.telemetry.metrics import Metrics


async def never(_scope: Scope, _receive: Receive, _send: Send) -> None:
    await asyncio.Event().wait()


async def no_message() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def test_a_request_cut_off_by_the_drains_limit_is_told_so() -> None:
    """503 and when to come back, instead of a bare 500."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/classify", "headers": []}
    request = asyncio.create_task(
        RequestContextMiddleware(never, Metrics(), access_log=False, health=Health())(scope, no_message, send)
    )
    await asyncio.sleep(0)
    request.cancel()
    await request
    assert sent[0]["status"] == 503
    assert (b"retry-after", b"1") in sent[0]["headers"]
    assert json.loads(sent[1]["body"])["type"] == "/problems/not-ready"
