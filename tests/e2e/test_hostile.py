"""Files made to hold the service up: whoever else asks is answered, and the process still ends when told to."""

import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest

from service.settings import MIB
from tests.support.bundles import write_bundle
from tests.support.pictures import RED, picture, progressive_bomb
from tests.support.processes import fronts_of, sample, until
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
            assert metric(server, "snellen_decoder_losses_total") == 2
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
    """No front is taken for one that hangs, requests beside them are answered, and memory stays bounded."""
    write_bundle(tmp_path)
    with running(tmp_path, "--fronts", "2", "--hang-limit-s", "2") as server, ThreadPoolExecutor(8) as pool:
        until(lambda: sample(server, 'snellen_processes{kind="front"}') == 2, server)
        before = [memory_peak(pid) for pid in fronts_of(server)]

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
        grown = [memory_peak(pid) - peak for pid, peak in zip(fronts_of(server), before, strict=True)]
        assert max(grown) < 7 * 3 * 32 * MIB
        assert sample(server, 'snellen_process_restarts_total{kind="front"}') in (None, 0)


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
