"""API keys with real processes: one and several, a file that changes, and what never leaves a process."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.conftest import ROOT
from tests.e2e.test_connections import problem, rest, statuses
from tests.e2e.test_proxies import PROXIES
from tests.support.api_keys import bearer, write_keys
from tests.support.bundles import write_bundle
from tests.support.pictures import GREEN, picture
from tests.support.processes import engines_of, frontends_of, until
from tests.support.server import ServerProcess, running
from tests.support.shapes import SHAPES, slow_but

DOCUMENT = ROOT / "docs" / "keys.md"
EVERYTHING = "classify,read,metrics"
LONG_S = 30


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture(params=slow_but("two frontends", SHAPES))
def server(request: pytest.FixtureRequest, models: Path) -> Iterator[ServerProcess]:
    """Serves with the key file `keys` beside the models; the key `shop` is in it."""
    path = models.parent / "keys"
    write_keys(path, shop=EVERYTHING)
    with running(
        models, *SHAPES[request.param], "--keys", str(path), "--access-log", "--log-level", "debug"
    ) as process:
        yield process
    assert "Traceback" not in process.log


def status_with(server: ServerProcess, key: str) -> set[int]:
    """The statuses on several connections, so that each frontend is asked."""
    return {httpx.get(f"{server.url}/v1/models", headers=bearer(key)).status_code for _ in range(8)}


def test_a_changed_file_is_followed_by_all_processes(server: ServerProcess, models: Path) -> None:
    """New keys open and old ones close; a broken file changes nothing, not even for a process that starts."""
    path = models.parent / "keys"
    assert status_with(server, "none") == {401}
    old = write_keys(path, shop=EVERYTHING)["shop"]
    until(lambda: status_with(server, old) == {200}, server)
    new = write_keys(path, shop=EVERYTHING)["shop"]
    until(lambda: status_with(server, new) == {200} and status_with(server, old) == {401}, server)
    path.write_text("rubbish\n")
    until(lambda: "line 1: id= is missing" in server.log, server)
    for pid in frontends_of(server)[:1]:
        os.kill(pid, signal.SIGKILL)
        until(lambda gone=pid: gone not in frontends_of(server) and len(frontends_of(server)) == 2, server)  # type: ignore[misc]
        server.ready()
    assert status_with(server, new) == {200}
    assert server.log.count("line 1: id= is missing") == 1
    path.write_text("")
    until(lambda: status_with(server, new) == {401}, server)
    assert "none, so every request that needs a key is refused" in server.log


def test_no_secret_leaves_the_processes(server: ServerProcess, models: Path) -> None:
    """Neither the log at its finest level, nor metrics, problems, command lines and environments in /proc have one."""
    key = write_keys(models.parent / "keys", shop=EVERYTHING)["shop"]
    until(lambda: status_with(server, key) == {200}, server)
    wrong = f"{key[:17]}{'f' * 64}"
    seen = ""
    for given in (key, wrong, f"{key}x"):
        for path in ("/v1/models", "/metrics", "/v1/models/none", "/nothing"):
            answer = httpx.get(f"{server.url}{path}", headers=bearer(given))
            seen += f"{answer.text}{answer.headers}"
        posted = httpx.post(f"{server.url}/v1/classify", content=b"rubbish", headers=bearer(given))
        seen += f"{posted.text}{posted.headers}"
    for pid in (server.process.pid, *frontends_of(server), *engines_of(server)):
        seen += Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/environ").read_text()
    until(lambda: "/v1/models 200" in server.log, server)
    for secret in (key[17:], wrong[17:]):
        assert secret[:20] not in seen
        assert secret[:20] not in server.log


def connect(server: ServerProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=LONG_S)


@pytest.mark.parametrize("length", [b"Content-Length: 10000000", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("key", [b"", b"X-API-Key: snl_no\r\n"])
def test_the_refusal_comes_before_the_body(server: ServerProcess, length: bytes, key: bytes) -> None:
    """To `Expect: 100-continue` there is no 100; a body that comes all the same is not waited for."""
    for expect in (b"Expect: 100-continue\r\n", b""):
        with connect(server) as connection:
            connection.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: a\r\n" + expect + key + length + b"\r\n\r\n")
            answer = rest(connection)
            assert statuses(answer) == [401]
            assert problem(answer)["type"] == "/problems/key-required"
            assert b"connection: close" in answer.lower()


def test_a_large_body_without_a_key_gets_its_answer(server: ServerProcess) -> None:
    """A client that reads only after it has sent everything sees 401 and not a broken connection."""
    answer = httpx.post(f"{server.url}/v1/classify", content=bytes(20_000_000))
    assert answer.status_code == 401


@pytest.mark.parametrize(("text", "reason"), [(None, "No such file"), ("# fine\nshop id=1\n", "line 2: sha256= is")])
@pytest.mark.parametrize("shape", slow_but("two frontends", SHAPES))
def test_a_file_that_cannot_be_used_refuses_the_start(models: Path, shape: str, text: str | None, reason: str) -> None:
    """With status 2 and one line."""
    path = models.parent / "keys"
    if text is not None:
        path.write_text(text)
    command = [sys.executable, "-m", "service", "--port", "0", "--models", str(models), "--keys", str(path)]
    command += SHAPES[shape]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("snellen: ")]
    assert (done.returncode, reason in line, "Traceback" in done.stderr) == (2, True, False), done.stderr


@pytest.mark.parametrize(
    ("flags", "warned"), [(["--host", "0.0.0.0"], True), ([], False), (["--host", "0.0.0.0", "--keys"], False)]
)  # fmt: skip
def test_a_service_that_is_open_to_everybody_says_so(models: Path, flags: list[str], warned: bool) -> None:
    """Where other machines may reach it, and no key is needed."""
    path = models.parent / "keys"
    path.touch()
    with running(models, *flags, *([str(path)] if "--keys" in flags else []), wait=False) as server:
        assert ("OPEN TO EVERYBODY: every client that reaches the service on 0.0.0.0 may" in server.log) is warned


@pytest.mark.parametrize("proxy", PROXIES)
def test_proxies_pass_keys_and_refusals_on(models: Path, tmp_path_factory: pytest.TempPathFactory, proxy: str) -> None:
    """Both headers arrive; the refusal of a large body is no bad gateway."""
    key = write_keys(models.parent / "keys", shop=EVERYTHING)["shop"]
    flags = ("--root-path", "/vision", "--keys", str(models.parent / "keys"))
    with running(models, *flags) as server, ExitStack() as stack:
        ports = (server.port, server.port)
        url = stack.enter_context(PROXIES[proxy](tmp_path_factory.mktemp("proxy"), ports)) + "/vision/v1/classify"
        for headers in (bearer(key), {"X-API-Key": key}):
            assert httpx.post(url, content=picture(GREEN), headers=headers).status_code == 200
        for _ in range(3):
            refused = httpx.post(url, content=bytes(20_000_000))
            assert (refused.status_code, refused.json()["type"]) == (401, "/vision/problems/key-required")
            assert refused.headers["www-authenticate"] == 'Bearer realm="snellen"'


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_commands_of_the_document_run(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other in one shell, against a service that was started as the document says."""
    text = DOCUMENT.read_text()
    assert "$ snellen serve --keys keys.txt\n" in text
    folder = models.parent
    monkeypatch.chdir(folder)
    (folder / "photo.jpg").write_bytes(picture(GREEN))
    write_bundle(models, "imagenet")
    first, *others = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    shell = f'set -e\nsnellen() {{ "{sys.executable}" -P -m snellen "$@"; }}\n'
    done = subprocess.run(["sh", "-c", f'{shell}{first}echo "$SHOP_KEY"'], capture_output=True, text=True, check=True)
    key = done.stdout.strip()
    with running(models, "--keys", "keys.txt") as server:
        script = "".join(others).replace("localhost:8000", server.url)
        command = ["sh", "-c", f"{shell}SHOP_KEY={key}\n{script}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count('"results"') == 3
        assert done.stdout.endswith("401\n")
