"""Limits of clients with real processes: one and several, several addresses, and a frontend that dies."""

import gzip
import http.client
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx2 as httpx
import pytest

from snellen.client import Client, Problem, Retries
from tests.conftest import ROOT
from tests.support.bundles import write_bundle
from tests.support.pictures import GREEN, picture
from tests.support.processes import frontends_of, until
from tests.support.server import ServerProcess, running
from tests.support.shapes import SHAPES, slow_but

DOCUMENT = ROOT / "docs" / "limits.md"
SLOW = "0.001"
"""Images per second, so few that none is added during a test."""
BURST = 7
CONNECTIONS = 6


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture(params=slow_but("two frontends", SHAPES))
def server(request: pytest.FixtureRequest, models: Path) -> Iterator[ServerProcess]:
    """Allows each address 7 images."""
    limits = ("--address-rate", SLOW, "--address-burst", str(BURST))
    with running(models, *SHAPES[request.param], *limits) as process:
        yield process
    assert "Traceback" not in process.log


def classify(connection: http.client.HTTPConnection, body: bytes) -> int:
    """Return the status of a request on a connection that stays open."""
    connection.request("POST", "/v1/classify", body)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def connections(server: ServerProcess, source: str, stack: ExitStack) -> list[http.client.HTTPConnection]:
    """Return open connections from an address of this machine, on all frontends."""
    made = [
        http.client.HTTPConnection("127.0.0.1", server.port, timeout=30, source_address=(source, 0))
        for _ in range(CONNECTIONS)
    ]
    for connection in made:
        stack.enter_context(closing(connection))
        connection.request("GET", "/livez")
        connection.getresponse().read()
    return made


def statuses(made: list[http.client.HTTPConnection], rounds: int = 4) -> list[int]:
    return [classify(connection, picture(GREEN)) for _ in range(rounds) for connection in made]


def test_a_limit_is_that_of_the_machine(server: ServerProcess) -> None:
    """Whatever the number of processes and connections; another address has its own, and connections stay open."""
    with ExitStack() as stack:
        first, second = (connections(server, source, stack) for source in ("127.0.0.1", "127.0.0.2"))
        assert statuses(first).count(200) == BURST
        assert statuses(second).count(200) == BURST
        assert set(statuses(first, 1)) == {429}


def test_a_process_that_starts_again_does_not_forget(server: ServerProcess) -> None:
    """The numbers are in memory of the main process."""
    with ExitStack() as stack:
        statuses(connections(server, "127.0.0.1", stack))
    killed = frontends_of(server)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    if killed:
        until(lambda: len(set(frontends_of(server)) - set(killed)) == len(killed), server)
        server.ready()
    with ExitStack() as stack:
        assert set(statuses(connections(server, "127.0.0.1", stack), 1)) == {429}


def test_a_refused_body_may_be_large(server: ServerProcess) -> None:
    """A client that reads after it has sent everything sees 429, and its connection goes on."""
    with ExitStack() as stack:
        made = connections(server, "127.0.0.1", stack)
        statuses(made)
        assert [classify(connection, bytes(20_000_000)) for connection in made[:2] * 2] == [429] * 4
        assert classify(made[0], picture(GREEN)) == 429


def test_the_client_waits_for_the_time_that_it_is_told(models: Path) -> None:
    """The Python client sends what was refused again, so that all is answered at the rate of the limit."""
    limits = ("--address-rate", "2", "--address-burst", "1")
    with running(models, *limits) as server, Client(server.url) as client:
        assert {client.classify(picture(GREEN)).best.label for _ in range(3)} == {"green"}
        assert httpx.get(f"{server.url}/metrics").text.count("snellen_rate_limited_requests_total{") == 1
        with Client(server.url, retries=Retries(attempts=1)) as once, pytest.raises(Problem) as refused:
            for _ in range(2):
                once.classify(picture(GREEN))
        assert (refused.value.status, refused.value.retry_after_s) == (429, 1)


def unfinished(source: str, port: int, held: int, length: int) -> socket.socket:
    """Return a connection whose request has sent a part of its body."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(source, 0))
    head = f"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
    connection.sendall(head.encode() + bytes(held))
    return connection


def test_slow_bodies_of_one_client_leave_memory_for_others(models: Path) -> None:
    """A client that is alone, and sends its bodies as slowly as it likes, cannot take all of the memory of bodies."""
    limits = ("--max-inflight-bytes", "4000000", "--max-body-bytes", "1000000")
    with running(models, *limits) as server, ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(unfinished("127.0.0.1", server.port, 999_000, 1_000_000))
        body = bytes(20_000)  # no image, but read to its end
        source = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(transport=source, base_url=server.url) as client:
            held = re.compile(r"^snellen_inflight_bytes (\S+)", re.MULTILINE)
            until(lambda: float(held.findall(client.get("/metrics").text)[0]) > 1_900_000, server)
            assert {client.post("/v1/classify", content=body).status_code for _ in range(20)} == {415}


def test_bodies_that_take_long_to_unpack_do_not_hold_up_other_clients(models: Path) -> None:
    """Forms of one client are unpacked and parsed one after the other, and those of another client beside them."""
    begin = b'--X\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n' + picture(GREEN)
    packed = gzip.compress(begin + bytes(30_000_000) + b"\r\n--X--\r\n")
    form_type = "multipart/form-data; boundary=X"
    head = f"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Type: {form_type}\r\nContent-Encoding: gzip\r\n"
    with running(models) as server, ExitStack() as stack:
        many = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port))) for _ in range(20)]
        for each in many:
            each.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(packed) + packed)
        client = stack.enter_context(httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2")))
        form = begin + bytes(20_000) + b"\r\n--X--\r\n"
        answer = client.post(f"{server.url}/v1/classify", content=form, headers={"Content-Type": form_type}, timeout=60)
        answered, _, _ = select.select(many, [], [], 0)
        assert answer.status_code == 200, answer.text
        assert len(answered) < 10


def test_a_client_over_its_share_is_refused_and_another_is_not(models: Path) -> None:
    """Two addresses share the memory for bodies; the one that holds most of it gets 503, and the other an answer."""
    with running(models, "--max-inflight-bytes", "1000000") as server, ExitStack() as stack:
        for source, count in (("127.0.0.2", 1), ("127.0.0.1", 7)):
            for _ in range(count):
                stack.enter_context(unfinished(source, server.port, 95_000, 200_000))
        until(lambda: "snellen_inflight_bytes 760000.0" in httpx.get(f"{server.url}/metrics").text, server)
        greedy, modest = (connections(server, source, stack)[0] for source in ("127.0.0.1", "127.0.0.2"))
        greedy.request("POST", "/v1/classify", bytes(20_000))
        refused = greedy.getresponse()
        problem = json.loads(refused.read())
        assert (refused.status, problem["type"]) == (503, "/problems/queue-full")
        assert "bytes of request bodies are from this client, and the rest is for others" in problem["detail"]
        assert int(refused.headers["Retry-After"]) >= 1
        assert classify(modest, picture(GREEN)) == 200


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--address-rate", "0"), "--address-rate (SNELLEN_ADDRESS_RATE) takes a number from 0.001 to 1,000,000, not"),
        (("--address-rate", "nan"), "takes a number from 0.001 to 1,000,000, not 'nan'"),
        (("--address-rate", "10/s"), "takes a number from 0.001 to 1,000,000, not '10/s'"),
        (("--address-rate", "1", "--address-burst", "0"), "takes a whole number from 1 to 1,000,000, not '0'"),
        (("--key-rate", "1"), "there are no keys without --keys FILE; add it, or use --address-rate"),
        (("--keys", "keys", "--key-rate", "1"), "the key file keys, line 2: '-1' is no rate; write images per second"),
    ],
)
def test_an_absurd_limit_refuses_the_start(
    models: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], reason: str
) -> None:
    """With status 2 and one line, which is that of the key file where the limit stands there."""
    monkeypatch.chdir(models.parent)
    Path("keys").write_text(f"# keys\nshop id=0123456789ab sha256={'ab' * 32} scopes=read rate=-1\n")
    command = [sys.executable, "-P", "-m", "service", "--port", "0", "--models", str(models), *options]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("snellen: ")]
    assert (done.returncode, reason in line) == (2, True), done.stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_commands_of_the_document_run(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one shell, against services that were started as the document says."""
    text = DOCUMENT.read_text()
    folder = models.parent
    monkeypatch.chdir(folder)
    (folder / "photo.jpg").write_bytes(picture(GREEN))
    write_bundle(models, "imagenet")
    (keys, curl) = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    starts = re.findall(r"^\$ snellen serve (.*)$", text, re.MULTILINE)
    shell = f'set -e\nsnellen() {{ PYTHONPATH="{ROOT}" "{sys.executable}" -P -m snellen "$@"; }}\n'
    subprocess.run(["sh", "-c", shell + keys], check=True, capture_output=True, timeout=120)
    limits = [line.split() for line in (folder / "keys.txt").read_text().splitlines()]
    assert [line[0] for line in limits] == ["shop", "batch", "internal"]
    assert [option.partition("=")[2] for line in limits for option in line if option.startswith("rate=")] == [
        "20",
        "2",
        "unlimited",
    ]
    for start in starts:
        with running(models, *start.split()) as server:
            script = shell + curl.replace("localhost:8000", server.url)
            done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, timeout=120)
            assert done.returncode == 0, done.stderr
            assert done.stdout.split()[0] == ("401" if "--keys" in start else "200")
