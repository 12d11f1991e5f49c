"""2,000 requests, a third of them malformed, many hung up midway, while decode workers are killed.

Every well-formed request is answered correctly.
"""

import os
import random
import signal
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.bundles import write_bundle
from tests.support.pictures import BLUE, GREEN, RED, picture
from tests.support.processes import decode_workers_of
from tests.support.server import ServerProcess, running

GOOD = {
    "red": picture(RED, (300, 200), "JPEG"),
    "green": picture(GREEN, (50, 80), "PNG"),
    "blue": picture(BLUE, (1640, 1480), "WEBP"),
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


def malformed_json(rng: random.Random) -> bytes:
    """Nothing like the one form of it that is accepted."""
    piece = rng.choice([b"[],", b"{},", b"0,", b'"",', b" ", b"\\/", b"\\u0041", b'"a":'])
    return rng.choice([b"", b"[", b"{", b'{"images": [', b'{"images": ["']) + piece * rng.randrange(1, 100_000)


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
    if kind < 1 / 6:
        headers = {"Content-Type": "application/json"}
        response = client.post("/v1/classify", content=malformed_json(rng), headers=headers)
        assert response.status_code in (400, 413), response.text
        return "malformed"
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


def kill_one_worker(server: ServerProcess) -> int:
    """How many were killed."""
    for pid in decode_workers_of(server)[:1]:
        os.kill(pid, signal.SIGKILL)
        return 1
    return 0


@pytest.mark.timeout(600)
def test_chaos_loses_no_well_formed_request(tmp_path: Path) -> None:
    """And afterwards the server is as it was."""
    write_bundle(tmp_path, "colours")
    with running(tmp_path, "--default-model", "colours") as server, ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(one_client, server, seed) for seed in range(CLIENTS)]
        kills = 0
        while not wait(clients, timeout=2).done >= set(clients):
            kills += kill_one_worker(server)
        seen = sum((client.result() for client in clients), Counter())
        assert kills
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
