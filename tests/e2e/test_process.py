"""A real process, real sockets: the shipped models, hang-ups, junk, limits, drain."""

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.bundles import write_bundle
from tests.support.pictures import RED, picture
from tests.support.server import ServerProcess, running

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "models/imagenet/1/golden"


def golden(name: str) -> bytes:
    return next(GOLDEN.glob(f"{name}.*")).read_bytes()


@pytest.mark.parametrize(
    ("photo", "labels"),
    [
        ("espresso", {"espresso", "cup"}),
        ("cat", {"Egyptian cat", "tabby", "tiger cat", "lynx"}),
        ("rocket", {"missile"}),
    ],
)
def test_a_real_photo_is_named_in_all_three_forms(server: ServerProcess, photo: str, labels: set[str]) -> None:
    """Raw, multipart and JSON give the same answer, and it is right."""
    body = golden(photo)
    url = f"{server.url}/v1/classify"
    answers = [
        httpx.post(url, content=body),
        httpx.post(url, files={"image": body}),
        httpx.post(url, json={"images": [base64.b64encode(body).decode()]}),
    ]
    results = [answer.json()["results"] for answer in answers]
    assert results[0] == results[1] == results[2]
    assert results[0][0]["predictions"][0]["label"] in labels


def test_both_shipped_models_are_ready(server: ServerProcess) -> None:
    """Fashion too."""
    assert {m["name"]: m["state"] for m in httpx.get(f"{server.url}/v1/models").json()["models"]} == {
        "imagenet": "ready",
        "fashion-mnist": "ready",
    }


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A process with tight limits over the colour bundle and a slow one."""
    models = tmp_path_factory.mktemp("models")
    write_bundle(models, "colours")
    write_bundle(models, "slow", matmuls=20)
    flags = ["--default-model", "colours", "--body-timeout-s", "1", "--max-connections", "8", "--max-batch-size", "1"]
    with running(models, *flags) as process:
        yield process


def talk(server: ServerProcess, *parts: bytes) -> bytes:
    """Send raw bytes, then read until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def problem(answer: bytes) -> dict[str, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, answer
    parsed = json.loads(body)
    assert isinstance(parsed, dict)
    return parsed


@pytest.mark.parametrize(
    "junk", [b"\0\1\2\3\r\n\r\n", b"HELLO\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\0\1"]
)
def test_bytes_that_are_no_http_get_a_problem(small: ServerProcess, junk: bytes) -> None:
    """A TLS hello on a plain port included."""
    assert problem(talk(small, junk))["status"] == 400


def test_a_head_that_never_ends_is_not_waited_for(small: ServerProcess) -> None:
    """408 after the limit, and the connection is closed."""
    assert problem(talk(small, b"POST /v1/classify HTTP/1.1\r\nHost: a\r\n"))["status"] == 408


def test_a_connection_that_says_nothing_is_not_waited_for(small: ServerProcess) -> None:
    """Silence is a head that never comes."""
    assert problem(talk(small))["status"] == 408


def test_a_body_that_never_ends_is_not_waited_for(small: ServerProcess) -> None:
    """The problem says so."""
    answer = talk(small, b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nbeginning")
    assert problem(answer)["type"] == "/problems/body-timeout"


def test_too_many_connections_are_refused_with_a_problem(small: ServerProcess) -> None:
    """And the next one is welcome when one has left."""
    idle = [socket.create_connection(("127.0.0.1", small.port)) for _ in range(8)]
    time.sleep(0.2)
    assert problem(talk(small))["status"] == 503
    for connection in idle:
        connection.close()
    time.sleep(0.2)
    assert httpx.get(f"{small.url}/livez").status_code == 200


def test_an_oversized_upload_gets_its_answer(small: ServerProcess) -> None:
    """Not a reset connection, also when the client sends everything before it reads."""
    size = 40 * 1024 * 1024
    head = f"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode()
    assert problem(talk(small, head, bytes(size)))["type"] == "/problems/body-too-large"


def test_a_client_that_hangs_up_frees_its_place(small: ServerProcess) -> None:
    """Its image is dropped, and nobody else is disturbed."""
    body = picture(RED)
    head = f"POST /v1/models/slow/classify HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for _ in range(4):
        with socket.create_connection(("127.0.0.1", small.port)) as connection:
            connection.sendall(head + body)
            time.sleep(0.05)
    assert httpx.post(f"{small.url}/v1/classify", content=body).status_code == 200
    end = time.monotonic() + 30
    while 'snellen_pending_images{model="slow",version="1"} 0.0' not in httpx.get(f"{small.url}/metrics").text:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_sigterm_answers_what_was_accepted_and_exits_with_zero(tmp_path: Path) -> None:
    """Readiness goes off first; requests in flight get their answers."""
    write_bundle(tmp_path, "slow", matmuls=20)
    with running(tmp_path, "--default-model", "slow", "--max-batch-size", "1", "--drain-delay-s", "1") as server:
        with ThreadPoolExecutor(6) as pool:
            arrived = threading.Barrier(7)

            def classify() -> int:
                with httpx.Client() as client:
                    client.get(f"{server.url}/livez")
                    arrived.wait()
                    return client.post(f"{server.url}/v1/classify", content=picture(), timeout=60).status_code

            calls = [pool.submit(classify) for _ in range(6)]
            arrived.wait()
            time.sleep(0.1)
            server.terminate()
            time.sleep(0.4)
            readiness = httpx.get(f"{server.url}/readyz")
            assert (readiness.status_code, readiness.json()["detail"][:8]) == (503, "draining")
            assert [call.result() for call in calls] == [200] * 6
        assert server.process.wait(30) == 0
    assert "Traceback" not in server.log


def test_a_server_that_is_loading_is_alive_and_not_ready(tmp_path: Path) -> None:
    """Probes are answered from the first moment, requests told to come back."""
    write_bundle(tmp_path, "slow", matmuls=60)
    with running(tmp_path, wait=False) as server:
        assert httpx.get(f"{server.url}/livez").status_code == 200
        assert httpx.get(f"{server.url}/readyz").status_code == 503
        early = httpx.post(f"{server.url}/v1/classify", content=picture())
        assert (early.status_code, early.json()["type"]) == (503, "/problems/not-ready")
        assert early.headers["retry-after"] == "1"
        server.ready()
        assert httpx.post(f"{server.url}/v1/classify", content=picture()).status_code == 200


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--port", "70000"], "port (SNELLEN_PORT or --port)"),
        (["--providers", "quantum"], "SNELLEN_PROVIDERS"),
        (["--models", "/nonexistent"], "no bundle"),
        (["--default-model", "nope"], "set --default-model to one of fashion-mnist, imagenet"),
    ],
)
def test_a_start_that_cannot_work_says_why(flags: list[str], reason: str) -> None:
    """In one line, with status 2."""
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "service", "--port", "0", *flags], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert reason in done.stderr


def test_a_client_that_never_reads_is_cut_off(tmp_path: Path) -> None:
    """A large answer does not stay in memory for ever."""
    write_bundle(tmp_path, "colours")
    limits = ["--max-images", "4000", "--max-queue", "4000", "--deadline-s", "60"]
    with running(tmp_path, *limits, "--keep-alive-s", "1", "--body-timeout-s", "1") as server:
        descriptors = Path(f"/proc/{server.process.pid}/fd")
        before = len(list(descriptors.iterdir()))
        images = [base64.b64encode(picture(size=(16, 16))).decode()] * 4000
        body = json.dumps({"images": images}).encode()
        head = (
            "POST /v1/classify?explain=heatmap HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(head.encode() + body)
            end = time.monotonic() + 60
            while 'status="200"' not in httpx.get(f"{server.url}/metrics").text:
                assert time.monotonic() < end
                time.sleep(0.1)
            while len(list(descriptors.iterdir())) > before:
                assert time.monotonic() < end, "the connection is still there"
                time.sleep(0.1)
