"""Files made to hold the service up: whoever else asks is answered, and the process still ends when told to."""

import fcntl
import os
import re
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest

from service.settings import MIB
from service.telemetry.log import MAX_LINES
from tests.support.bundles import write_bundle
from tests.support.pictures import RED, picture, progressive_bomb
from tests.support.processes import frontends_of, sample, until
from tests.support.server import ServerProcess, running


def metric(server: ServerProcess, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", httpx.get(f"{server.url}/metrics").text, re.MULTILINE)
    assert found, name
    return float(found[1])


def test_bombs_hold_up_neither_others_nor_the_end(tmp_path: Path) -> None:
    """Small photos are answered at once, large ones after the decoders' limit, SIGTERM works meanwhile."""
    write_bundle(tmp_path, "colours")
    bomb = progressive_bomb(4000)
    with running(tmp_path, "--decode-threads", "2", "--decode-limit-s", "2", "--deadline-s", "30") as server:
        url = f"{server.url}/v1/classify"

        def post(body: bytes) -> "tuple[int, str]":
            response = httpx.post(url, content=body, timeout=60)
            return response.status_code, response.json().get("type", "")

        with ThreadPoolExecutor(8) as pool:
            bombs = [pool.submit(post, bomb) for _ in range(2)]
            time.sleep(0.3)
            assert all(post(picture(RED))[0] == 200 for _ in range(5))
            assert not any(bomb.done() for bomb in bombs)
            assert post(picture(RED, (3000, 2000), "JPEG"))[0] == 200
            assert [bomb.result() for bomb in bombs] == [(422, "/problems/decode-limit")] * 2
            assert metric(server, "snellen_decode_worker_restarts_total") == 2
            late = pool.submit(post, bomb)
            time.sleep(0.3)
            server.terminate()
            assert late.result() == (422, "/problems/decode-limit")
        assert server.process.wait(30) == 0
    assert "Traceback" not in server.log


FLOODS = [
    b"[" + b"[]," * (10 * MIB) + b"[]]",
    b"\n" * (28 * MIB) + b'{"images": [' + b"0," * MIB + b"0]}",
    b'{"images": ["' + b"aG k"[:3] * (10 * MIB) + b'"]}',
    b'{"images": ["' + b"a" * (30 * MIB) + "\N{GRINNING FACE}".encode() + b'"]}',
]
"""JSON of 30 MiB that once took seconds of the interpreter and up to 1.7 GiB."""


@pytest.mark.timeout(300)
def test_floods_of_json_take_neither_the_interpreter_nor_the_memory(tmp_path: Path) -> None:
    """No frontend is taken for one that hangs, requests beside them are answered, and memory stays bounded."""
    write_bundle(tmp_path)
    with running(tmp_path, "--frontends", "2", "--worker-timeout-s", "2") as server, ThreadPoolExecutor(8) as pool:
        until(lambda: sample(server, 'snellen_processes{kind="frontend"}') == 2, server)
        before = [memory_peak(pid) for pid in frontends_of(server)]

        def flood(number: int) -> int:
            headers = {"Content-Type": "application/json"}
            body = FLOODS[number % len(FLOODS)]
            return httpx.post(f"{server.url}/v1/classify", content=body, headers=headers, timeout=60).status_code

        floods = [pool.submit(flood, number) for number in range(24)]
        small = []
        while not all(each.done() for each in floods):
            small.append(httpx.post(f"{server.url}/v1/classify", content=picture(RED), timeout=60).status_code)
        assert {each.result() for each in floods} <= {400, 415, 503}
        assert set(small) == {200}
        grown = [memory_peak(pid) - peak for pid, peak in zip(frontends_of(server), before, strict=True)]
        assert max(grown) < 7 * 3 * 32 * MIB
        assert sample(server, 'snellen_process_restarts_total{kind="frontend"}') in (None, 0)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("frontends", [1, 2])
def test_a_log_that_is_not_read_stops_nothing(tmp_path: Path, frontends: int) -> None:
    """Neither requests nor the end: lines that the pipe does not take are dropped and counted."""
    write_bundle(tmp_path)
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    flags = ["--port", "0", "--models", str(tmp_path), "--frontends", str(frontends), "--access-log"]
    process = subprocess.Popen([sys.executable, "-m", "service", *flags, "--drain-delay-s", "0"], stderr=writing)
    os.close(writing)
    try:
        url = address_in(reading)
        with httpx.Client(timeout=30) as client:
            while client.get(f"{url}/readyz").status_code != 200:
                time.sleep(0.1)
            for _ in range(100):
                rubbish(url)
                assert client.post(f"{url}/v1/classify", content=picture(RED)).status_code == 200
            ask_many_times(url, MAX_LINES + 1000)
            assert client.post(f"{url}/v1/classify", content=picture(RED, (2000, 1000))).status_code == 200
            found = re.search(
                r"^snellen_dropped_log_lines_total (\S+)$", client.get(f"{url}/metrics").text, re.MULTILINE
            )
            assert found
            assert float(found[1]) > 0
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reading)


def address_in(log: int) -> str:
    """What the service logs first, and all that is read of it."""
    read = b""
    while not (found := re.search(rb"running on (http://\S+)\n", read)):
        read += os.read(log, 1)
    return found[1].decode()


def connect(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)))


def ask_many_times(url: str, requests: int, at_once: int = 100) -> None:
    """Whether it is alive, on one connection."""
    with connect(url) as connection:
        for _ in range(requests // at_once):
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" * at_once)
            answers = b""
            while answers.count(b'{"live":true}') < at_once:
                answers += connection.recv(65536)


def rubbish(url: str) -> None:
    with connect(url) as connection:
        connection.sendall(b"rubbish\r\n\r\n")
        assert b" 400 " in connection.recv(1000)


def test_rubbish_is_not_in_the_log(tmp_path: Path) -> None:
    """By default: any client could fill a disk with it."""
    write_bundle(tmp_path)
    form = {"Content-Type": "multipart/form-data; boundary=a"}
    with running(tmp_path) as server:
        until(lambda: " ready: " in server.log, server)  # the last line of a start, after /readyz has said so
        lines = len(server.lines)
        for _ in range(20):
            rubbish(server.url)
            assert httpx.post(f"{server.url}/v1/classify", content=b"--b", headers=form).status_code == 400
            assert httpx.post(f"{server.url}/v1/classify", content=b"rubbish").status_code == 415
        assert server.lines[lines:] == []


def memory_peak(pid: int) -> int:
    """Bytes that the process has had in memory at most."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


@pytest.mark.timeout(300)
def test_bodies_of_clients_that_left_do_not_stay(tmp_path: Path) -> None:
    """Large uploads behind busy decoders, each hung up: their bytes are free, not only uncounted."""
    write_bundle(tmp_path, "colours")
    bomb = progressive_bomb(4000)
    size = 20 * MIB
    head = f"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode()
    with running(tmp_path, "--decode-threads", "1", "--decode-limit-s", "5") as server:
        before = metric(server, "snellen_process_resident_memory_bytes")
        busy = threading.Thread(target=lambda: httpx.post(f"{server.url}/v1/classify", content=bomb, timeout=60))
        busy.start()
        time.sleep(0.3)
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(head + b"\xff\xd8" + bytes(size - 2))
        end = time.monotonic() + 30
        while metric(server, "snellen_inflight_bytes") > len(bomb):
            assert time.monotonic() < end
            time.sleep(0.05)
        grown = metric(server, "snellen_process_resident_memory_bytes") - before
        busy.join()
    assert grown < 256 * MIB
