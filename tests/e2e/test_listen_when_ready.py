"""`--listen-when-ready`: connections are refused until the service is ready, so that a proxy asks another server."""

import socket
import time
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.bundles import write_bundle
from tests.support.pictures import picture
from tests.support.server import ServerProcess, running
from tests.support.shapes import slow_but

LONG_S = 60
SHAPES = {"one process": [], "two frontends": ["--frontends", "2"], "an engine": ["--frontends", "2", "--engines", "1"]}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("flags", slow_but(SHAPES["two frontends"], SHAPES.values()), ids=SHAPES)
def test_the_first_connection_is_answered_by_a_ready_service(tmp_path: Path, flags: list[str]) -> None:
    """Until then all are refused; afterwards the service restarts and drains as any other."""
    write_bundle(tmp_path)
    port = free_port()
    flags = [*flags, "--port", str(port), "--listen-when-ready", "--drain-delay-s", "0"]
    for _ in range(2):
        with running(tmp_path, *flags, wait=None) as server:
            refusals = 0
            while refused(port):
                refusals += 1
                assert server.process.poll() is None, server.log
                time.sleep(0.02)
            assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
            assert httpx.post(f"http://127.0.0.1:{port}/v1/classify", content=picture()).status_code == 200
            assert refusals > 0
            assert f"bound to http://127.0.0.1:{port}, and listens there once it is ready" in server.log
            server.terminate()
            assert server.process.wait(LONG_S) == 0, server.log


def served_elsewhere(server: ServerProcess, port: int) -> None:
    end = time.monotonic() + LONG_S
    while "bound to" not in server.log:
        assert time.monotonic() < end, server.log
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        assert server.process.wait(LONG_S) == 2, server.log


@pytest.mark.parametrize("frontends", ["1", "2"])
def test_an_address_that_is_taken_meanwhile_ends_the_start(tmp_path: Path, frontends: str) -> None:
    """One sentence, and status 2, as for one that was taken before."""
    write_bundle(tmp_path)
    port = free_port()
    flags = ("--port", str(port), "--frontends", frontends, "--listen-when-ready")
    with running(tmp_path, *flags, wait=None) as server:
        served_elsewhere(server, port)
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use; see --host and --port" in server.log
    assert "Traceback" not in server.log


def test_a_stop_before_it_is_ready_ends_it(tmp_path: Path) -> None:
    """With status 0, and without having listened."""
    write_bundle(tmp_path, matmuls=10)
    flags = ("--listen-when-ready", "--drain-delay-s", "0", "--frontends", "2")
    with running(tmp_path, *flags, wait=None) as server:
        end = time.monotonic() + LONG_S
        while "bound to" not in server.log:
            assert time.monotonic() < end, server.log
        server.terminate()
        assert server.process.wait(LONG_S) == 0, server.log
    assert "running on" not in server.log


def test_a_default_model_that_cannot_answer_keeps_it_from_listening(tmp_path: Path) -> None:
    """Although another model could, /readyz would be red."""
    write_bundle(tmp_path)
    (write_bundle(tmp_path, "broken") / "golden/blue.png").write_bytes(picture())
    port = free_port()
    flags = ("--port", str(port), "--default-model", "broken", "--listen-when-ready", "--frontends", "2")
    with running(tmp_path, *flags, wait=None) as server:
        end = time.monotonic() + LONG_S
        while "broken/1" not in server.log:
            assert time.monotonic() < end, server.log
            time.sleep(0.05)
        time.sleep(1)
        assert refused(port)
        assert server.process.poll() is None
