"""2,000 requests, a third of them malformed, many hung up midway: every well-formed one is answered correctly."""

import random
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.bundles import write_bundle
from tests.support.pictures import BLUE, GREEN, RED, picture
from tests.support.server import ServerProcess, running

GOOD = {
    "red": picture(RED, (300, 200), "JPEG"),
    "green": picture(GREEN, (50, 80), "PNG"),
    "blue": picture(BLUE, (640, 480), "WEBP"),
}
REQUESTS, CLIENTS = 2000, 16


def malformed(rng: random.Random) -> bytes:
    """Cut, scrambled, or nothing like an image."""
    body = bytearray(rng.choice(list(GOOD.values())))
    match rng.randrange(4):
        case 0:
            return bytes(body[: rng.randrange(1, len(body))])
        case 1:
            return rng.randbytes(rng.randrange(1, 2000))
        case 2:
            return b""
        case _:
            for _ in range(20):
                body[rng.randrange(len(body))] = rng.randrange(256)
            return bytes(body)


def hang_up(server: ServerProcess, rng: random.Random) -> str:
    """Leave somewhere between the first byte and the answer."""
    body = GOOD["red"]
    message = b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(message[: rng.randrange(1, len(message) + 1)])
    return "hung up"


def one_client(server: ServerProcess, seed: int) -> Counter[str]:
    rng, seen = random.Random(seed), Counter[str]()
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for _ in range(REQUESTS // CLIENTS):
            seen[one_request(server, client, rng)] += 1
    return seen


def one_request(server: ServerProcess, client: httpx.Client, rng: random.Random) -> str:
    kind = rng.random()
    if kind < 1 / 3:
        response = client.post("/v1/classify", content=malformed(rng))
        assert response.status_code in (200, 400, 415, 422), response.text  # a scrambled file may still decode
        return "malformed"
    if kind < 1 / 2:
        return hang_up(server, rng)
    labels = rng.choices(list(GOOD), k=rng.choice([1, 1, 3]))
    if len(labels) == 1:
        response = client.post("/v1/classify", content=GOOD[labels[0]])
    else:
        response = client.post("/v1/classify", files=[("image", ("a", GOOD[label])) for label in labels])
    assert response.status_code == 200, response.text
    assert [result["predictions"][0]["label"] for result in response.json()["results"]] == labels
    return "answered"


@pytest.mark.timeout(600)
def test_chaos_loses_no_well_formed_request(tmp_path: Path) -> None:
    """And afterwards the server is as it was."""
    write_bundle(tmp_path, "colours")
    with running(tmp_path, "--default-model", "colours") as server, ThreadPoolExecutor(CLIENTS) as pool:
        seen = sum(pool.map(one_client, [server] * CLIENTS, range(CLIENTS)), Counter())
        assert seen.total() == REQUESTS
        assert seen["answered"] > 800
        assert httpx.get(f"{server.url}/readyz").status_code == 200
        metrics = httpx.get(f"{server.url}/metrics").text
        assert 'snellen_pending_images{model="colours",version="1"} 0.0' in metrics
        assert "snellen_inflight_bytes 0.0" in metrics
        assert "snellen_engine_failures_total" in metrics
        server.terminate()
        assert server.process.wait(30) == 0
    assert "Traceback" not in server.log
    assert 'status="500"' not in metrics
