"""Raw sockets against a real process: junk, silence, hang-ups, floods; nobody is waited for without a limit."""

import base64
import json
import re
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.bundles import write_bundle
from tests.support.pictures import RED, picture
from tests.support.server import ServerProcess, running

KIB, MIB = 1024, 1024 * 1024
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
LIMITS = ["--body-timeout-s", "1", "--keep-alive-s", "1", "--max-connections", "8", "--max-batch-size", "1"]
LONG_S = 30


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A process with tight limits over the colour bundle and a slow one; its log stays free of tracebacks."""
    models = tmp_path_factory.mktemp("models")
    write_bundle(models, "colours")
    write_bundle(models, "slow", matmuls=20)
    with running(models, "--default-model", "colours", *LIMITS) as process:
        yield process
        process.terminate()
        assert process.process.wait(LONG_S) == 0
    assert "Traceback" not in process.log


def connect(server: ServerProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=LONG_S)


def rest(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    answer = b""
    while chunk := connection.recv(65536):
        answer += chunk
    return answer


def talk(server: ServerProcess, *parts: bytes) -> bytes:
    """Send raw bytes, then read until the server closes."""
    with connect(server) as connection:
        for part in parts:
            connection.sendall(part)
        return rest(connection)


def post(path: bytes, body: bytes, *headers: bytes) -> bytes:
    lines = [b"POST %s HTTP/1.1" % path, b"Host: a", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", body])


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def problem(answer: bytes) -> dict[str, object]:
    """Of the last answer."""
    head, _, body = re.split(rb"(?=HTTP/1\.1 \d{3} )", answer)[-1].partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, answer
    parsed = json.loads(body)
    assert isinstance(parsed, dict)
    return parsed


def resident_bytes(server: ServerProcess) -> int:
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


def descriptors(server: ServerProcess) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def wait_until_closed(server: ServerProcess, before: int) -> None:
    end = time.monotonic() + LONG_S
    while descriptors(server) > before:
        assert time.monotonic() < end, "the connection is still there"
        time.sleep(0.1)


@pytest.mark.parametrize(
    "junk",
    [
        b"\0\1\2\3\r\n\r\n",
        b"HELLO\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\0\1",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT /livez HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
        b"POST /livez HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
    ],
)
def test_bytes_that_are_no_http_get_a_problem(small: ServerProcess, junk: bytes) -> None:
    """A TLS hello on a plain port included."""
    answer = talk(small, junk)
    assert statuses(answer) == [400]
    assert problem(answer)["status"] == 400


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /livez HTTP/1.1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ],
)
def test_a_request_that_http_forbids_gets_a_problem(small: ServerProcess, request_: bytes, status: int) -> None:
    """After the answers to the requests before it."""
    answer = talk(small, LIVEZ + request_ + LIVEZ)
    assert statuses(answer) == [200, status]
    assert problem(answer)["status"] == status


@pytest.mark.parametrize(("size", "status"), [(64 * KIB, 200), (64 * KIB + 1, 431)])
def test_the_limit_of_a_head_is_exact(small: ServerProcess, size: int, status: int) -> None:
    """From the first byte of the request to the blank line, behind another request."""
    start, end = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: ", b"\r\n\r\n"
    head = start + b"x" * (size - len(start) - len(end)) + end
    assert statuses(talk(small, LIVEZ + head)) == [200, status]


def test_refused_connections_are_counted(small: ServerProcess) -> None:
    """Apart from requests, by status."""

    def refused() -> float:
        lines = httpx.get(f"{small.url}/metrics").text.splitlines()
        name = 'snellen_refused_connections_total{status="501"}'
        return sum(float(line.split()[1]) for line in lines if line.startswith(name))

    before = refused()
    answer = talk(small, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")
    assert b"\r\nx-request-id: %s\r\n" % str(problem(answer)["request_id"]).encode() in answer
    assert b"\r\nx-content-type-options: nosniff\r\n" in answer
    assert refused() == before + 1


def test_http_1_0_needs_no_host(small: ServerProcess) -> None:
    """Health checks of old load balancers are HTTP/1.0."""
    assert statuses(talk(small, b"GET /livez HTTP/1.0\r\n\r\n")) == [200]


def test_junk_after_a_request_does_not_cost_the_request_its_answer(small: ServerProcess) -> None:
    """Answers come in order, then the refusal."""
    good = post(b"/v1/classify", picture(RED))
    answer = talk(small, good + LIVEZ + good + b"\0\1\2\3\r\n\r\n")
    assert statuses(answer) == [200, 200, 200, 400]
    assert answer.count(b'"label":"red"') == 2


def test_a_damaged_body_after_a_request_does_not_cost_the_request_its_answer(small: ServerProcess) -> None:
    """Nor is the damaged request answered twice."""
    damaged = b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n"
    assert statuses(talk(small, post(b"/v1/classify", picture(RED)) + damaged)) == [200, 400]


def test_pipelined_requests_are_answered_in_order(small: ServerProcess) -> None:
    """Thousands at once, in more bytes than are parsed at a time."""
    requests = (LIVEZ + b"GET /nope HTTP/1.1\r\nHost: a\r\n\r\n") * 1500
    with connect(small) as connection, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(connection.sendall, requests)
        assert statuses(rest(connection)) == [200, 404] * 1500
        sending.result()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /livez HTTP/1.1\r\nHost: a\r\nLong: ",
        b"GET /",
        b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nLong: ",
    ],
    ids=["value", "path", "trailer"],
)
def test_a_head_without_end_is_refused(small: ServerProcess, head: bytes) -> None:
    """The process stays small, and others are answered meanwhile."""
    before = resident_bytes(small)
    with connect(small) as connection:
        connection.sendall(head)
        sent = 0
        try:
            while sent < 64 * MIB:
                sent += connection.send(b"x" * 256 * KIB)
        except OSError:
            pass
        assert httpx.get(f"{small.url}/livez").status_code == 200
    assert resident_bytes(small) - before < 16 * MIB


@pytest.mark.parametrize("lines", [b"Long: " + b"x" * MIB, b"A: bcd\r\n" * 100_000], ids=["one", "many"])
def test_a_head_beyond_its_limit_gets_a_problem(small: ServerProcess, lines: bytes) -> None:
    """431, which can be read although the client goes on sending for a moment."""
    assert problem(talk(small, b"GET /livez HTTP/1.1\r\nHost: a\r\n" + lines))["status"] == 431


def test_a_large_head_within_the_limit_is_accepted(small: ServerProcess) -> None:
    """A cookie of 50 KB, one request after the other."""
    request = b"GET /livez HTTP/1.1\r\nHost: a\r\nCookie: " + b"x" * 50_000 + b"\r\n"
    answer = talk(small, (request + b"\r\n") * 3 + request + b"Connection: close\r\n\r\n")
    assert statuses(answer) == [200] * 4


def test_trailers_are_no_headers(small: ServerProcess) -> None:
    """A request id after the body is not taken over."""
    body = picture(RED)
    head = b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (
        len(body),
        body,
    )
    answer = talk(small, head + b"0\r\nX-Request-ID: trailing\r\n\r\n")
    assert (statuses(answer), b"trailing" in answer) == ([200], False)


def test_a_head_that_never_ends_is_not_waited_for(small: ServerProcess) -> None:
    """408 after the limit, and the connection is closed."""
    assert problem(talk(small, b"POST /v1/classify HTTP/1.1\r\nHost: a\r\n"))["status"] == 408


@pytest.mark.parametrize("nothing", [b"", b"\r\n", b"\r\n" * 100])
def test_a_connection_that_says_nothing_is_not_waited_for(small: ServerProcess, nothing: bytes) -> None:
    """Silence is a head that never comes; so are empty lines."""
    assert problem(talk(small, nothing))["status"] == 408


def test_an_idle_connection_is_closed_in_silence(small: ServerProcess) -> None:
    """After an answer there need not be another request."""
    assert statuses(talk(small, LIVEZ)) == [200]


def test_an_empty_line_does_not_keep_a_connection(small: ServerProcess) -> None:
    """It begins a head, and that has its limit."""
    with connect(small) as connection:
        connection.sendall(LIVEZ)
        assert statuses(connection.recv(65536)) == [200]
        connection.sendall(b"\r\n")
        assert statuses(rest(connection)) == [408]


def test_a_body_that_never_ends_is_not_waited_for(small: ServerProcess) -> None:
    """The problem says so."""
    answer = talk(small, b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nbeginning")
    assert problem(answer)["type"] == "/problems/body-timeout"


@pytest.mark.parametrize(("request_line", "status"), [(b"POST /nope", 404), (b"GET /livez", 200)])
def test_the_rest_of_an_answered_body_is_not_waited_for(small: ServerProcess, request_line: bytes, status: int) -> None:
    """The connection is of no further use."""
    answer = talk(small, request_line + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx")
    assert statuses(answer) == [status]


def test_a_connection_goes_on_after_a_body_that_nobody_read(small: ServerProcess) -> None:
    """When it comes in time."""
    assert statuses(talk(small, post(b"/nope", bytes(100_000)), LIVEZ)) == [404, 200]


def test_a_client_that_pipelines_and_never_reads_is_cut_off(small: ServerProcess) -> None:
    """And the process does not collect its requests."""
    before, memory = descriptors(small), resident_bytes(small)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", small.port))
        connection.settimeout(0.5)
        end = time.monotonic() + LONG_S
        while time.monotonic() < end:
            try:
                connection.send(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 1000)
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            pytest.fail("the connection is still there")
    wait_until_closed(small, before)
    assert resident_bytes(small) - memory < 32 * MIB


def test_a_client_that_never_reads_is_cut_off(tmp_path: Path) -> None:
    """A large answer does not stay in memory for ever."""
    write_bundle(tmp_path, "colours")
    limits = ["--max-images", "4000", "--max-queue", "4000", "--deadline-s", "60"]
    with running(tmp_path, *limits, "--keep-alive-s", "1", "--body-timeout-s", "1") as server:
        before = descriptors(server)
        images = [base64.b64encode(picture(size=(16, 16))).decode()] * 4000
        body = json.dumps({"images": images}).encode()
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(post(b"/v1/classify?explain=heatmap", body, b"Content-Type: application/json"))
            end = time.monotonic() + 2 * LONG_S
            while 'status="200"' not in httpx.get(f"{server.url}/metrics").text:
                assert time.monotonic() < end
                time.sleep(0.1)
            wait_until_closed(server, before)


def test_an_offer_to_upgrade_is_ignored(small: ServerProcess) -> None:
    """As RFC 9110, 7.8 allows; the body belongs to the request that was made."""
    offer = [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"]
    request = post(b"/v1/classify", picture(RED), *offer)
    answer = talk(small, request + request + LIVEZ)
    assert statuses(answer) == [200, 200, 200]
    assert answer.count(b'"label":"red"') == 2


def test_an_offer_to_upgrade_in_single_bytes_is_ignored(small: ServerProcess) -> None:
    """However the request is cut."""
    request = post(b"/v1/classify", picture(RED, (16, 16)), b"Connection: Upgrade", b"Upgrade: websocket")
    assert statuses(talk(small, *(request[i : i + 1] for i in range(len(request))))) == [200]


def test_curl_may_offer_http2(small: ServerProcess, tmp_path: Path) -> None:
    """The usual way to meet an upgrade, also with 100-continue."""
    photo = tmp_path / "red.bmp"
    photo.write_bytes(picture(RED, (900, 900), "BMP"))
    command = ["curl", "--silent", "--http2", "--data-binary", f"@{photo}", f"{small.url}/v1/classify"]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=LONG_S)
    except FileNotFoundError:
        pytest.skip("curl is not installed")
    assert json.loads(done.stdout)["results"][0]["predictions"][0]["label"] == "red"


def test_too_many_connections_are_refused_with_a_problem(small: ServerProcess) -> None:
    """Also when they have sent their request already; and the next one is welcome when one has left."""
    idle = [connect(small) for _ in range(8)]
    time.sleep(0.2)
    for _ in range(3):
        assert problem(talk(small, LIVEZ))["status"] == 503
    for connection in idle:
        connection.close()
    time.sleep(0.2)
    assert httpx.get(f"{small.url}/livez").status_code == 200


@pytest.mark.parametrize("soft", [100, 1024])
def test_a_low_limit_of_open_files_is_raised(tmp_path: Path, soft: int) -> None:
    """As far as the system allows."""
    write_bundle(tmp_path)
    with running(tmp_path, PYTHONPATH=open_files(tmp_path, f"({soft}, 3000)")) as server:
        assert resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)[0] >= 2048 + 64
        assert "open files" not in server.log


def test_fewer_connections_are_held_where_open_files_are_few(tmp_path: Path) -> None:
    """The log says how to change it, and clients beyond the limit read a problem."""
    write_bundle(tmp_path)
    with running(tmp_path, PYTHONPATH=open_files(tmp_path, "(400, 400)")) as server:
        assert re.search(r"at most 200 connections instead of 2048.*ulimit -n", server.log)
        crowd = [connect(server) for _ in range(200)]
        time.sleep(0.2)
        assert problem(talk(server, LIVEZ))["status"] == 503
        for connection in crowd:
            connection.close()


def open_files(tmp_path: Path, limits: str) -> str:
    """A folder for PYTHONPATH that gives the process these limits, soft and hard, from its first moment."""
    folder = tmp_path / "python"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, {limits})")
    return str(folder)


def test_an_oversized_upload_gets_its_answer(small: ServerProcess) -> None:
    """Not a reset connection, also when the client sends everything before it reads."""
    size = 40 * MIB
    head = f"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode()
    assert problem(talk(small, head, bytes(size)))["type"] == "/problems/body-too-large"


@pytest.mark.parametrize("requests", [1, 5])
def test_a_client_that_hangs_up_frees_its_place(small: ServerProcess, requests: int) -> None:
    """Its images are dropped, also those of pipelined requests, and nobody else is disturbed."""
    body = picture(RED)
    for _ in range(4):
        with connect(small) as connection:
            connection.sendall(post(b"/v1/models/slow/classify", body) * requests)
            time.sleep(0.05)
    assert httpx.post(f"{small.url}/v1/classify", content=body).status_code == 200
    end = time.monotonic() + LONG_S
    while 'snellen_pending_images{model="slow",version="1"} 0.0' not in httpx.get(f"{small.url}/metrics").text:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_pipelining_clients_that_reset_leave_no_traceback(small: ServerProcess) -> None:
    """At any moment; the fixture looks at the log."""
    requests = post(b"/v1/classify", picture(RED)) * 3 + LIVEZ * 3
    for cut in range(1, len(requests), max(1, len(requests) // 60)):
        with connect(small) as connection:
            connection.sendall(requests[:cut])
            time.sleep(0.002 * (cut % 5))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert httpx.get(f"{small.url}/livez").status_code == 200
    assert "Traceback" not in small.log
