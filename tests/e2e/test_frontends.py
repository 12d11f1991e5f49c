"""Several frontends, as real processes: connections are spread, a frontend that dies takes nobody with it."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.bundles import write_bundle
from tests.support.pictures import picture
from tests.support.processes import connections_of, decode_workers_of, descriptors_of, frontends_of, sample, until
from tests.support.server import ServerProcess, running

IMAGES = 'snellen_images_total{model="colours",version="1"}'
CERTAIN = 'snellen_confidence_images_total{bin="0.99 to 1",model="colours",version="1"}'


@pytest.fixture
def frontends(tmp_path: Path) -> Iterator[ServerProcess]:
    """Two, each with an engine of its own."""
    write_bundle(tmp_path)
    with running(tmp_path, "--frontends", "2", "--drain-delay-s", "0") as server:
        until(lambda: sample(server, 'snellen_processes{kind="frontend"}') == 2, server)
        yield server


def classify(server: ServerProcess, client: httpx.Client) -> int:
    return client.post(f"{server.url}/v1/classify", content=picture(), timeout=30).status_code


def answer_or_none(connection: HTTPConnection) -> int | None:
    """The status of a request on just this connection; None when it is gone."""
    try:
        connection.request("POST", "/v1/classify", picture())
        response = connection.getresponse()
        response.read()
    except OSError:
        return None
    return response.status


def test_connections_are_spread_evenly(frontends: ServerProcess) -> None:
    """By number, not by luck; and they are kept alive."""
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client()) for _ in range(8)]
        assert [classify(frontends, client) for client in clients] == [200] * 8
        counts = [connections_of(pid, frontends.port) for pid in frontends_of(frontends)]
        assert sum(counts) == 8
        assert min(counts) >= 3  # one more or less: an earlier connection whose end was not yet heard of
        assert [classify(frontends, client) for client in clients] == [200] * 8


def test_one_answer_to_metrics_counts_all_processes(frontends: ServerProcess) -> None:
    """Whichever frontend is asked."""
    with httpx.Client() as one, httpx.Client() as other:
        for client in (one, other, other):
            assert classify(frontends, client) == 200
    for _ in range(2):
        assert sample(frontends, IMAGES) == 3
        assert sample(frontends, CERTAIN) == 3


def test_a_front_that_dies_loses_only_its_own_connections(frontends: ServerProcess) -> None:
    """And another takes its place; what it had counted is not forgotten."""
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(HTTPConnection("127.0.0.1", frontends.port))) for _ in range(6)]
        assert [answer_or_none(client) for client in clients] == [200] * 6
        assert sample(frontends, IMAGES) == 6
        killed = frontends_of(frontends)[0]
        lost = connections_of(killed, frontends.port)
        os.kill(killed, signal.SIGKILL)
        until(lambda: killed not in frontends_of(frontends), frontends)
        answers = [answer_or_none(client) for client in clients]
        assert (answers.count(None), answers.count(200)) == (lost, 6 - lost)
    until(lambda: sample(frontends, 'snellen_processes{kind="frontend"}') == 2, frontends)
    with httpx.Client() as client:
        assert classify(frontends, client) == 200
    assert sample(frontends, 'snellen_process_restarts_total{kind="frontend"}') == 1
    assert sample(frontends, IMAGES) == 6 + (6 - lost) + 1
    frontends.terminate()
    assert frontends.process.wait(30) == 0


def test_decode_workers_hold_no_connection_of_a_client(frontends: ServerProcess) -> None:
    """However many were open when the worker was started: their clients see each of them close."""
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(HTTPConnection("127.0.0.1", frontends.port))) for _ in range(20)]
        assert [answer_or_none(client) for client in clients] == [200] * 20
        first_workers = decode_workers_of(frontends)
        for pid in first_workers:
            os.kill(pid, signal.SIGKILL)
        large = picture(size=(2000, 1000))
        with ThreadPoolExecutor(8) as pool:
            url = f"{frontends.url}/v1/classify"
            answers = list(pool.map(lambda _: httpx.post(url, content=large, timeout=30).status_code, range(16)))
        assert answers == [200] * 16
        workers = decode_workers_of(frontends)
        assert set(workers) - set(first_workers)
        for pid in workers:
            kinds = sorted(name.partition(":")[0] for name in descriptors_of(pid))
            assert kinds == ["/dev/null", "/dev/null", "socket", "socket"]
            assert connections_of(pid, frontends.port) == 0
        for pid in frontends_of(frontends):
            os.kill(pid, signal.SIGKILL)
        for client in clients:
            client.sock.settimeout(10)
            assert closed(client.sock)


def closed(connection: socket.socket) -> bool:
    """Whether the server has ended the connection; raises TimeoutError while it is open."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_decode_workers_that_are_killed_lose_no_request(frontends: ServerProcess) -> None:
    """Idle or at work, again and again; each loss is counted."""
    ended = threading.Event()
    large = picture(size=(2000, 1000), image_format="JPEG", quality=95)

    def answers() -> list[int]:
        found = []
        with httpx.Client() as client:
            while not ended.is_set():
                found.append(client.post(f"{frontends.url}/v1/classify", content=large, timeout=30).status_code)
        return found

    with ThreadPoolExecutor(4) as users:
        calls = [users.submit(answers) for _ in range(4)]
        for _ in range(3):
            for pid in decode_workers_of(frontends):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(2)
        ended.set()
        seen = [status for call in calls for status in call.result()]
    assert set(seen) == {200}
    assert (sample(frontends, "snellen_decode_worker_restarts_total") or 0) >= 3


def test_a_front_that_hangs_is_replaced(tmp_path: Path) -> None:
    """Whoever comes meanwhile is answered by the other one, which idles a long time and is not replaced."""
    write_bundle(tmp_path)
    with running(tmp_path, "--frontends", "2", "--drain-delay-s", "0", "--worker-timeout-s", "5") as server:
        until(lambda: sample(server, 'snellen_processes{kind="frontend"}') == 2, server)
        hangs, idles = frontends_of(server)
        os.kill(hangs, signal.SIGSTOP)
        time.sleep(3)  # two of five beats
        for _ in range(4):
            with httpx.Client() as client:
                assert classify(server, client) == 200
        until(lambda: hangs not in frontends_of(server), server)
        until(lambda: sample(server, 'snellen_processes{kind="frontend"}') == 2, server)
        assert idles in frontends_of(server)


def test_a_service_that_was_paused_kills_nobody(tmp_path: Path) -> None:
    """As a container may be, for longer than the limit."""
    write_bundle(tmp_path)
    with running(tmp_path, "--frontends", "2", "--drain-delay-s", "0", "--worker-timeout-s", "3") as server:
        until(lambda: sample(server, 'snellen_processes{kind="frontend"}') == 2, server)
        everybody = [server.process.pid, *frontends_of(server)]
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in everybody:
                os.kill(pid, number)
            time.sleep(4)
        assert frontends_of(server) == everybody[1:]


def test_bulk_work_in_each_front_has_its_turn(frontends: ServerProcess) -> None:
    """Beside interactive requests that leave room for one bulk batch only, and more bulk work than that everywhere."""
    ended = threading.Event()

    def answers(priority: str, pause_s: float) -> list[int]:
        found = []
        with httpx.Client(headers={"X-Priority": priority}) as client:
            while not ended.is_set():
                found.append(classify(frontends, client))
                time.sleep(pause_s)
        return found

    with ThreadPoolExecutor(6) as users:
        interactive = users.submit(answers, "interactive", 0.02)
        bulk = [users.submit(answers, "bulk", 0.0) for _ in range(5)]
        time.sleep(3)
        ended.set()
        assert set(interactive.result()) == {200}
        for each in bulk:
            assert set(each.result()) == {200}
            assert len(each.result()) >= 5


def test_nothing_is_left_when_the_supervisor_is_killed(frontends: ServerProcess) -> None:
    """Its processes notice, and so do theirs; the port is free at once."""
    pids = frontends_of(frontends)
    frontends.process.kill()
    frontends.process.wait()
    end = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_repository_without_bundles_is_said_once(tmp_path: Path) -> None:
    """With the status of a wrong setting."""
    with pytest.raises(AssertionError), running(tmp_path, "--frontends", "2", wait=False) as server:
        server.process.wait(30)
    with pytest.raises(AssertionError) as caught, running(tmp_path, "--frontends", "2"):
        pass
    assert str(caught.value).count("no bundle") == 1
