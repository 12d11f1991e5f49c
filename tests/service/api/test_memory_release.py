"""What a request leaves for the garbage collector: nothing, so that its body and pixels are free when it ends."""

import asyncio
import base64
import gc
import json
from collections.abc import Iterator

import pytest
from PIL import Image
from starlette.testclient import TestClient
from starlette.types import Message

from tests.support.pictures import encoded, picture, profile_bomb

GOOD = picture()
TIMES = 20


@pytest.fixture
def nobody_collects() -> Iterator[None]:
    """But the test."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def ask(client: TestClient, path: str, body: bytes, headers: list[tuple[bytes, bytes]], times: int) -> set[int]:
    """The statuses, without a client's own objects."""
    statuses = set()

    async def receive() -> Message:
        if not rest:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": rest.pop(), "more_body": False}

    async def send(message: Message) -> None:
        statuses.add(message.get("status", 0))

    path, _, query = path.partition("?")
    for _ in range(times):
        rest = [body]
        scope = {"type": "http", "method": "POST", "path": path, "query_string": query.encode(), "headers": [*headers]}
        await client.app(scope, receive, send)
    return statuses - {0}


COSTLY = profile_bomb(60)
"""Decoded in a process of its own."""
JSON = (b"content-type", b"application/json")
FRAMES = encoded(Image.new("RGB", (40, 30)), "MPO", save_all=True, append_images=[Image.new("RGB", (40, 30))])
"""A JPEG by its first bytes, and not what it says."""


def several(body: bytes) -> bytes:
    return json.dumps({"images": [base64.b64encode(body).decode()] * 2}).encode()


SEVERAL = several(COSTLY)
ASKED: dict[str, tuple[int, str, bytes, list[tuple[bytes, bytes]]]] = {
    "answered": (200, "/v1/classify", GOOD, []),
    "explained": (200, "/v1/classify?explain=heatmap", GOOD, []),
    "empty": (400, "/v1/classify", b"", []),
    "no model": (404, "/v1/models/none/classify", GOOD, []),
    "no image": (415, "/v1/classify", b"no image", []),
    "damaged": (422, "/v1/classify", GOOD[:-40], []),
    "damaged, costly": (422, "/v1/classify", COSTLY[:-40], []),
    "no parameter": (422, "/v1/classify?top_k=0", GOOD, []),
    "not calibrated": (422, "/v1/classify?coverage=0.123", GOOD, []),
    "too late": (504, "/v1/classify", COSTLY, [(b"x-deadline-ms", b"20")]),
    "several, too late": (504, "/v1/classify", SEVERAL, [(b"x-deadline-ms", b"20"), JSON]),
    "several, damaged": (200, "/v1/classify", several(GOOD[:-40]), [JSON]),
    "of several frames": (200, "/v1/classify", FRAMES, []),
}


@pytest.mark.parametrize(("status", "path", "body", "headers"), ASKED.values(), ids=ASKED)
@pytest.mark.usefixtures("nobody_collects")
def test_a_request_leaves_nothing(
    client: TestClient, status: int, path: str, body: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    """Neither answered nor refused."""
    assert client.portal is not None
    assert client.portal.call(ask, client, path, body, headers, 1) == {status}
    gc.collect()
    client.portal.call(ask, client, path, body, headers, TIMES)
    assert gc.collect() < TIMES
