"""The log of a real service, in every shape: what it says at the start, and of each request."""

import json
import re
import shlex
import shutil
import socket
import subprocess
from datetime import datetime
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.bundles import write_bundle
from tests.support.pictures import picture
from tests.support.processes import until
from tests.support.server import ServerProcess, running
from tests.support.shapes import slow_but

DOCUMENT = Path(__file__).parents[2] / "docs/logs.md"
SHAPES = [("--frontends", "1"), ("--frontends", "2"), ("--frontends", "2", "--engines", "1")]
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TEXT_LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (DEBUG|INFO|WARNING|ERROR) (\[\w+ \d\] )?\S.*"
)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "models", "clothes", 2)
    write_bundle(tmp_path / "models", "photos", 1)
    return tmp_path / "models"


def logged(server: ServerProcess) -> list[dict[str, object]]:
    return [json.loads(line) for line in server.lines]


@pytest.mark.parametrize("shape", slow_but(SHAPES[1], SHAPES), ids=" ".join)
@pytest.mark.parametrize("when", ["--no-listen-when-ready", "--listen-when-ready"])
def test_the_start_is_told_once(models: Path, shape: tuple[str, ...], when: str) -> None:
    """In every shape: the address, one line per model, and that they are ready; nothing of uvicorn."""
    flags = (*shape, when, "--default-model", "photos", "--log-level", "debug" if len(shape) > 2 else "info")
    with running(models, *flags) as server:
        until(lambda: "ready: " in server.log, server)
        server.terminate()
        assert server.process.wait(30) == 0
    assert server.log.count(f"ready: photos/1 (default), clothes/2 on {server.url}\n") == 1
    assert server.log.count("ready: ") == server.log.count("clothes/2 is open") == 1
    assert server.log.count(f" running on {server.url}\n") == 1
    assert "uvicorn" not in server.log
    assert "PIL" not in server.log
    assert all(TEXT_LINE.fullmatch(line.rstrip("\n")) for line in server.lines), server.log


@pytest.mark.parametrize("shape", slow_but(SHAPES[1], SHAPES), ids=" ".join)
def test_a_request_is_an_object_with_all_that_is_known(models: Path, shape: tuple[str, ...]) -> None:
    """Of an answer, of a refusal and of a probe; each line of a request has its ids."""
    flags = (*shape, "--default-model", "photos", "--access-log", "--log-format", "json")
    ids = {"X-Request-ID": "answered", "traceparent": f"00-{TRACE}-{SPAN}-01"}
    body = picture()
    with running(models, *flags) as server:
        answered = httpx.post(f"{server.url}/v1/classify", content=body, headers=ids)
        assert "traceresponse" not in answered.headers
        httpx.post(f"{server.url}/v1/models/clothes/classify", content=b"rubbish", headers={"X-Request-ID": "refused"})
        until(lambda: '"refused"' in server.log, server)
    lines = {line["request_id"]: line for line in logged(server) if line["logger"] == "service.access"}
    found = dict(lines["answered"])
    datetime.fromisoformat(str(found.pop("time")))
    stages = {name: found.pop(f"{name}_ms") for name in ("receive", "decode", "queue", "infer", "total")}
    assert all(isinstance(value, float) for value in stages.values())
    assert str(found.pop("process", "frontend 0")).startswith("frontend ")
    assert found == {
        "level": "info",
        "logger": "service.access",
        "message": "request",
        "request_id": "answered",
        "trace_id": TRACE,
        "client": "127.0.0.1",
        "method": "POST",
        "path": "/v1/classify",
        "status": 200,
        "model": "photos",
        "version": 1,
        "bytes_in": len(body),
        "images": 1,
    }
    refused = lines["refused"]
    assert (refused["status"], refused["problems"]) == (415, ["unsupported-format"])
    assert (refused["model"], refused["version"]) == ("clothes", 2)
    assert any(line.get("path") == "/readyz" for line in lines.values())


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_client_can_add_a_line(models: Path, log_format: str) -> None:
    """By whatever bytes a path or a header may have."""
    with running(models, "--access-log", "--log-format", log_format) as server:
        for path in ("/a%0aINFO%20forged%1b[2J", "/a\r\nX: forged", "/caf\xe9\x85forged", "/\u2028forged"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nX-Request-ID: a\x1b[2J\r\n\r\n".encode())
                client.recv(10_000)
        httpx.get(f"{server.url}/livez", headers={"X-Request-ID": "last"})
        until(lambda: "last" in server.log, server)
    assert all(character.isprintable() or character == "\n" for character in server.log)
    for line in server.log.splitlines():
        assert TEXT_LINE.fullmatch(line) if log_format == "text" else json.loads(line)["message"]


def test_a_start_that_fails_is_told_in_json(models: Path) -> None:
    """Every line of the log is an object, the last one too."""
    with running(models, "--log-format", "json", "--frontends", "2", "--host", "host.invalid", wait=None) as server:
        assert server.process.wait(60) == 2
    assert "cannot listen on host.invalid" in str(logged(server)[-1]["message"])


def test_the_commands_of_the_document_work(tmp_path: Path) -> None:
    """The services start and log; the query finds the refused request."""
    commands = re.findall(r"^(?:snellen serve|jq) .+$", DOCUMENT.read_text(), re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["snellen", "snellen", "jq"]
    write_bundle(tmp_path, "clothes", 2)
    for command in commands[:2]:
        with running(tmp_path, *shlex.split(command)[2:]) as server:
            httpx.post(f"{server.url}/v1/classify", content=b"rubbish", headers={"X-Request-ID": "refused"})
            until(lambda server=server: "refused" in server.log, server)  # type: ignore[misc]
    (tmp_path / "snellen.log").write_text(server.log)
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    done = subprocess.run(shlex.split(commands[2]), cwd=tmp_path, check=True, capture_output=True, text=True)
    line = done.stdout.splitlines()[-1]  # before it, probes were answered that it is not ready yet
    assert json.loads(line)[1:] == [415, ["unsupported-format"], "clothes", "refused"]
