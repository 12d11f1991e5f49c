"""`Expect: 100-continue` with a real process: 100 comes only where the body would be accepted."""

import re
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.e2e.test_connections import problem, rest, statuses
from tests.support.bundles import write_bundle
from tests.support.pictures import RED, picture
from tests.support.processes import sample, until
from tests.support.programs import program
from tests.support.server import ServerProcess, running

LONG_S = 30
BODY = picture(RED)
BYTES = b"Content-Length: %d" % len(BODY)
LIMITS = [
    *("--max-body-bytes", "100000", "--max-inflight-bytes", "120000"),
    *("--max-queue", "2", "--max-batch-size", "1", "--deadline-s", "60"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Serves the colour bundle, one that is slow, and one that was refused at load."""
    models = tmp_path_factory.mktemp("models")
    write_bundle(models, "colours")
    write_bundle(models, "slow", matmuls=10)
    (write_bundle(models, "broken") / "golden/blue.png").write_bytes(picture(RED))
    with running(models, "--default-model", "colours", *LIMITS) as process:
        yield process
    assert "Traceback" not in process.log


def connect(server: ServerProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=LONG_S)


def head(path: bytes, *headers: bytes, version: bytes = b"1.1") -> bytes:
    return b"\r\n".join([b"POST %s HTTP/%s" % (path, version), b"Host: a", b"Expect: 100-continue", *headers, b"", b""])


@pytest.mark.parametrize("length", [BYTES, b"Transfer-Encoding: chunked"])
def test_a_request_that_is_accepted_is_told_to_go_on(server: ServerProcess, length: bytes) -> None:
    """The connection stays open for the next request."""
    body = BODY if length is BYTES else b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    with connect(server) as connection:
        for _ in range(2):
            connection.sendall(head(b"/v1/classify", length))
            assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(body)
            answer = connection.recv(65536)
            assert statuses(answer) == [200]
            assert b"connection: close" not in answer.lower()


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (b"/v1/models/absent/classify", [BYTES], 404),
        (b"/v1/models/colours/versions/9/classify", [BYTES], 404),
        (b"/v1/models/broken/classify", [BYTES], 503),
        (b"/v1/nothing", [BYTES], 404),
        (b"/readyz", [BYTES], 405),
        (b"/v1/classify?top_k=0", [BYTES], 422),
        (b"/v1/classify?top_k=900", [BYTES], 422),
        (b"/v1/classify", [BYTES, b"X-Deadline-Ms: soon"], 422),
        (b"/v1/classify", [BYTES, b"Content-Encoding: br"], 415),
        (b"/v1/classify", [BYTES, b"Content-Type: multipart/form-data"], 400),
        (b"/v1/classify", [b"Content-Length: 100001"], 413),
        (b"/v1/classify", [b"Content-Length: 4000000000"], 413),
    ],
)
def test_a_request_that_is_refused_is_not_told_to_go_on(
    server: ServerProcess, path: bytes, headers: list[bytes], status: int
) -> None:
    """The answer comes without the body, and says that the connection ends, so that no byte is taken for another's."""
    with connect(server) as connection:
        connection.sendall(head(path, *headers))
        answer = rest(connection)
    assert statuses(answer) == [status]
    assert b"connection: close" in answer.lower()
    assert problem(answer)["status"] == status


def test_a_client_that_sends_its_body_at_once_reads_the_refusal(server: ServerProcess) -> None:
    """The body is read and dropped, as the connection would be reset otherwise."""
    with connect(server) as connection:
        connection.sendall(head(b"/v1/models/absent/classify", b"Content-Length: 90000") + bytes(90_000))
        answer = rest(connection)
    assert statuses(answer) == [404]


def test_bytes_that_do_not_fit_are_refused_before_they_are_sent(server: ServerProcess) -> None:
    """Two bodies of 70,000 bytes are more than all bodies together may have."""
    with connect(server) as first, connect(server) as second:
        first.sendall(head(b"/v1/classify", b"Content-Length: 70000"))
        assert statuses(first.recv(65536)) == [100]
        first.sendall(bytes(60_000))
        until(lambda: (sample(server, "snellen_inflight_bytes") or 0) >= 60_000, server)
        second.sendall(head(b"/v1/classify", b"Content-Length: 70000"))
        refused = rest(second)
    assert statuses(refused) == [503]
    assert problem(refused)["type"] == "/problems/queue-full"


def test_a_full_queue_refuses_before_the_body_is_sent(server: ServerProcess) -> None:
    """Two images of the slow model are its limit."""
    pending = 'snellen_pending_images{model="slow",version="1"}'
    with ThreadPoolExecutor(2) as pool, connect(server) as third:
        url = f"{server.url}/v1/models/slow/classify"
        busy = [pool.submit(httpx.post, url, content=BODY, timeout=60) for _ in range(2)]
        until(lambda: sample(server, pending) == 2, server)
        third.sendall(head(b"/v1/models/slow/classify", BYTES))
        assert statuses(rest(third)) == [503]
        assert {call.result().status_code for call in busy} == {200}


def test_an_old_client_is_not_told_to_go_on(server: ServerProcess) -> None:
    """HTTP/1.0 has no 100 (RFC 9110, 10.1.1)."""
    with connect(server) as connection:
        connection.sendall(head(b"/v1/classify", BYTES, version=b"1.0") + BODY)
        assert statuses(rest(connection)) == [200]


def test_a_draining_service_goes_on(tmp_path: Path) -> None:
    """It still answers what arrives, so that a rolling restart loses no request."""
    write_bundle(tmp_path)
    with running(tmp_path, "--drain-delay-s", "3") as server, connect(server) as connection:
        server.terminate()
        until(lambda: "draining" in server.log, server)
        connection.sendall(head(b"/v1/classify", BYTES))
        assert statuses(connection.recv(65536)) == [100]
        connection.sendall(BODY)
        assert statuses(rest(connection)) == [200]
        assert server.process.wait(LONG_S) == 0


@pytest.mark.parametrize(("path", "seen"), [("/v1/classify", ["100", "200"]), ("/v1/models/absent/classify", ["404"])])
def test_curl_sends_the_body_only_where_it_is_taken(
    server: ServerProcess, tmp_path: Path, path: str, seen: list[str]
) -> None:
    """It prints the bytes that it has uploaded."""
    photo = tmp_path / "photo.png"
    photo.write_bytes(picture(RED, (150, 150)))
    curl = program("curl", package="curl")
    command = [curl, "-sv", "-H", "Expect: 100-continue", "--expect100-timeout", "20", "--data-binary", f"@{photo}"]
    command += ["-o", "/dev/null", "-w", "%{size_upload}", f"{server.url}{path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LONG_S)
    assert re.findall(r"^< HTTP/1\.1 (\d+)", done.stderr, re.MULTILINE) == seen
    assert int(done.stdout) == (photo.stat().st_size if "200" in seen else 0)
