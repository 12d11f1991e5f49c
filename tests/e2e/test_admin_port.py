"""The admin API on TCP, for keys with the scope admin: with real processes, TLS, and `snellen models`."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from service.access.api_keys import Scope, new_key
from service.access.key_file import line_of
from tests.conftest import ROOT
from tests.snellen.command import snellen
from tests.support.api_keys import bearer, write_keys
from tests.support.bundles import write_bundle
from tests.support.certificates import Authority
from tests.support.processes import frontends_of, until
from tests.support.server import ServerProcess, running
from tests.support.shapes import slow_but

pytestmark = pytest.mark.timeout(600)  # the process that checks a version has the lowest priority

SHAPES = (("--frontends", "1"), ("--frontends", "2"), ("--frontends", "1", "--engines", "1"))
SCOPES = {"shop": "classify,read", "scraper": "metrics", "operator": "admin"}


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    return write_keys(tmp_path / "keys.txt", **SCOPES)


@pytest.fixture(params=slow_but(SHAPES[1], SHAPES), ids=" ".join)
def server(request: pytest.FixtureRequest, tmp_path: Path, keys: dict[str, str]) -> Iterator[ServerProcess]:
    assert keys
    write_bundle(tmp_path / "models")
    flags = ("--keys", str(tmp_path / "keys.txt"), "--admin-port", "0", "--access-log", *request.param)
    with running(tmp_path / "models", *flags, SNELLEN_PROFILE_CACHE=str(tmp_path / "cache")) as server:
        yield server
    assert "Traceback" not in server.log


def address_of(server: ServerProcess) -> str:
    found = re.search(r"the admin API answers keys with the scope admin on (\S+)", server.log)
    assert found is not None, server.log
    return found[1]


def models(server: ServerProcess, key: str, *arguments: str, **variables: str) -> tuple[int, str]:
    """Exit status of `snellen models` through the port, and all that it says."""
    done = snellen("models", *arguments, "--admin", address_of(server), SNELLEN_KEY=key, **variables)
    return done.returncode, done.stdout + done.stderr


def test_a_version_is_loaded_and_chosen_through_the_port(
    server: ServerProcess, keys: dict[str, str], tmp_path: Path
) -> None:
    """As through the socket; each command names the next one; the log says whose key it was."""
    status, text = models(server, keys["operator"], "list")
    assert (status, "colours/1" in text) == (0, True), text
    write_bundle(tmp_path / "models", version=2)
    assert models(server, keys["operator"], "default", "colours", "1")[0] == 0
    status, text = models(server, keys["operator"], "load", "colours/2")
    assert (status, "colours/2 is ready" in text) == (0, True), text
    assert f"let it answer: snellen models default colours 2 --admin {address_of(server)}" in text
    assert models(server, keys["operator"], "default", "colours", "2")[0] == 0
    assert models(server, keys["operator"], "unload", "colours/1")[0] == 0
    assert models(server, keys["operator"], "rescan")[0] == 0
    until(lambda: "through the admin port, with a key of operator: load colours/2" in server.log, server)
    until(lambda: "/models/load 200" in server.log, server)
    assert keys["operator"][17:] not in server.log


def test_only_a_key_with_the_scope_admin_gets_in(server: ServerProcess, keys: dict[str, str]) -> None:
    """Every path, whether it exists or not; refusals are problems, and counted with those of the public port."""
    url = address_of(server)
    for path in ("/models", "/models/load", "/", "/livez", "/v1/models", "/metrics"):
        refused = httpx.get(f"{url}{path}")
        assert (refused.status_code, refused.json()["type"]) == (401, "/problems/key-required")
        assert refused.json()["request_id"] == refused.headers["x-request-id"]
        for name in ("shop", "scraper"):
            forbidden = httpx.get(f"{url}{path}", headers=bearer(keys[name]))
            assert forbidden.status_code == 403
            assert forbidden.json()["detail"].startswith("this API key lacks the scope admin;")
    assert httpx.get(f"{url}/models", headers={"X-API-Key": keys["operator"]}).status_code == 200
    unknown = httpx.get(f"{url}/nothing", headers=bearer(keys["operator"]))
    assert (unknown.status_code, "there are GET /models" in unknown.json()["detail"]) == (404, True)
    large = httpx.post(f"{url}/models/load", headers=bearer(keys["operator"]), content=bytes(5000))
    assert (large.status_code, large.json()["type"]) == (413, "/problems/body-too-large")
    for path in ("/v1/models", "/models"):  # the public port has no admin API, whatever the scope of the key
        assert httpx.get(f"{server.url}{path}", headers=bearer(keys["operator"])).status_code in {403, 404}
    text = httpx.get(f"{server.url}/metrics", headers=bearer(keys["scraper"])).text
    assert 'snellen_unauthenticated_requests_total{reason="missing"} 6.0' in text
    assert 'snellen_key_requests_total{key="shop",outcome="forbidden"} 6.0' in text
    assert re.search(r'snellen_key_requests_total\{key="operator",outcome="allowed"\} [3-5]\.0', text)
    assert 'snellen_requests_total{route="/models",status="200"} 1.0' in text
    said = snellen("models", "list", "--admin", server.url, SNELLEN_KEY=keys["operator"])
    assert (said.returncode, f"{server.url} is no admin port" in said.stderr) == (2, True)
    encrypted = url.replace("http", "https")
    said = snellen("models", "list", "--admin", encrypted, SNELLEN_KEY=keys["operator"])
    assert (said.returncode, f"there is no HTTPS with {encrypted}" in said.stderr) == (2, True)
    assert models(server, keys["shop"], "list")[0] == 1
    assert models(server, "snl_wrong", "list")[0] == 1


def test_pages_of_browsers_stay_out(server: ServerProcess, keys: dict[str, str]) -> None:
    """There is no CORS, and a name that resolves to this machine is not answered."""
    url = address_of(server)
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    preflight = httpx.options(f"{url}/models/load", headers=asked)
    assert preflight.status_code == 401
    assert not [name for name in preflight.headers if name.startswith("access-control")]
    rebound = httpx.get(f"{url}/models", headers=bearer(keys["operator"]) | {"Host": "evil.example"})
    assert (rebound.status_code, "--allowed-hosts" in rebound.json()["detail"]) == (421, True)
    assert httpx.get(f"{url}/models", headers=bearer(keys["operator"]) | {"Host": "localhost"}).status_code == 200


def test_the_refusal_comes_before_the_body(server: ServerProcess) -> None:
    """The client is not told to send it, and the connection ends."""
    host, port = address_of(server).removeprefix("http://").split(":")
    head = (
        b"POST /models/load HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4000000000\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer.lower()


def test_a_revoked_key_is_refused_without_a_restart(
    server: ServerProcess, keys: dict[str, str], tmp_path: Path
) -> None:
    """Also after the frontends were killed: the main process answers."""
    url = address_of(server)
    assert httpx.get(f"{url}/models", headers=bearer(keys["operator"])).status_code == 200
    for pid in frontends_of(server):
        os.kill(pid, 9)
    new = write_keys(tmp_path / "keys.txt", operator="admin")["operator"]
    until(lambda: httpx.get(f"{url}/models", headers=bearer(keys["operator"])).status_code == 401, server)
    assert httpx.get(f"{url}/models", headers=bearer(new)).status_code == 200


def test_a_key_for_some_models_sees_and_changes_only_these(server: ServerProcess, tmp_path: Path) -> None:
    """Whether another model exists or not; a rescan concerns all models."""
    write_bundle(tmp_path / "models", "plain")
    key, entry = new_key("team", frozenset({Scope.ADMIN}), models=frozenset({"plain"}))
    with (tmp_path / "keys.txt").open("a") as file:
        file.write(f"{line_of(entry)}\n")
    url, headers = address_of(server), bearer(key)
    until(lambda: httpx.get(f"{url}/models", headers=headers).status_code == 200, server)
    for model in ("colours", "none"):
        for path, body in (
            ("load", {"name": model}),
            ("unload", {"name": f"{model}/1"}),
            ("default", {"model": model, "version": 1}),
        ):
            refused = httpx.post(f"{url}/models/{path}", json=body, headers=headers)
            detail = f"this API key may not use the model '{model}'; it may use plain"
            assert (refused.status_code, refused.json()["detail"]) == (403, detail)
    assert httpx.post(f"{url}/models/rescan", headers=headers).status_code == 403
    loaded = httpx.post(f"{url}/models/load", json={"name": "plain"}, headers=headers, timeout=300)
    assert (loaded.status_code, [each["name"] for each in loaded.json()["versions"]]) == (200, ["plain/1"])
    assert (loaded.json()["default_model"], list(loaded.json()["defaults"])) == (None, ["plain"])


@pytest.mark.parametrize("shape", slow_but(SHAPES[1], SHAPES), ids=" ".join)
def test_with_a_certificate_the_port_speaks_tls(shape: tuple[str, ...], tmp_path: Path, keys: dict[str, str]) -> None:
    """With the same certificate, also after its renewal; what does not verify is said."""
    authority = Authority(tmp_path / "ca")
    pair = tmp_path / "tls.crt", tmp_path / "tls.key"
    authority.sign(*pair)
    write_bundle(tmp_path / "models")
    tls = ("--tls-certificate", str(pair[0]), "--tls-key", str(pair[1]))
    flags = (*tls, "--keys", str(tmp_path / "keys.txt"), "--admin-port", "0", *shape)
    with running(tmp_path / "models", *flags, wait=False) as server:
        until(lambda: "ready: " in server.log, server)
        url = address_of(server)
        assert url.startswith("https://127.0.0.1:")
        status, text = models(server, keys["operator"], "list")
        assert (status, "SSL_CERT_FILE" in text) == (2, True), text
        trusting = {"SSL_CERT_FILE": str(authority.certificate)}
        status, text = models(server, keys["operator"], "list", **trusting)
        assert (status, "colours/1" in text) == (0, True), text

        def serial() -> object:
            address = ("127.0.0.1", int(url.rpartition(":")[2]))
            with (
                socket.create_connection(address, timeout=30) as connection,
                authority.context().wrap_socket(connection, server_hostname="localhost") as encrypted,
            ):
                return (encrypted.getpeercert() or {})["serialNumber"]

        before = serial()
        authority.sign(*pair)
        until(lambda: serial() != before, server)
        plain = httpx.get(url.replace("https", "http"))
        assert (plain.status_code, "use https://" in plain.json()["detail"]) == (400, True)


def test_where_clients_need_a_certificate_the_port_needs_one_too(tmp_path: Path, keys: dict[str, str]) -> None:
    """Which `snellen models` does not have, and says; a client that shows one is answered."""
    authority = Authority(tmp_path / "ca")
    pair = tmp_path / "tls.crt", tmp_path / "tls.key"
    authority.sign(*pair)
    write_bundle(tmp_path / "models")
    tls = ("--tls-certificate", str(pair[0]), "--tls-key", str(pair[1]), "--tls-client-ca", str(authority.certificate))
    flags = (*tls, "--keys", str(tmp_path / "keys.txt"), "--admin-port", "0")
    with running(tmp_path / "models", *flags, wait=False) as server:
        until(lambda: "ready: " in server.log, server)
        status, text = models(server, keys["operator"], "list", SSL_CERT_FILE=str(authority.certificate))
        assert (status, "takes only clients with a certificate, which this command cannot show" in text) == (2, True)
        with httpx.Client(verify=authority.context(pair)) as client:
            answer = client.get(f"{address_of(server)}/models", headers=bearer(keys["operator"]))
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (("--admin-port", "9000"), "an admin port without keys would let every client change the models"),
        (("--admin-port", "8123", "--port", "8123", "--keys", "k"), "8123 is the port of the service itself"),
        (("--admin-host", "0.0.0.0"), "there is no admin port whose address it could be: add --admin-port"),
        (("--admin-port", "70000", "--keys", "k"), "0 to 65,535"),
        (("--admin-port", "x", "--keys", "k"), "admin-port"),
    ],
)
def test_what_cannot_be_meant_refuses_the_start(flags: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    """With status 2 and one sentence."""
    (tmp_path / "k").touch()
    done = snellen("serve", *flags[:-1], flags[-1].replace("k", str(tmp_path / "k")))
    assert (done.returncode, done.stderr.count("\n"), reason in done.stderr) == (2, 1, True), done.stderr


@pytest.mark.parametrize("frontends", ["1", "2"])
def test_a_port_that_is_taken_refuses_the_start(frontends: str, tmp_path: Path, keys: dict[str, str]) -> None:
    """With the address and the options that name it; no process is left."""
    assert keys
    write_bundle(tmp_path / "models")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        flags = ("--models", tmp_path / "models", "--port", "0", "--keys", tmp_path / "keys.txt")
        done = snellen("serve", *flags, "--frontends", frontends, "--admin-port", port)
    assert done.returncode == 2, done.stderr
    assert f"cannot listen on 127.0.0.1 port {port}: " in done.stderr
    assert "see --admin-host and --admin-port" in done.stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_commands_of_the_document_run(tmp_path: Path) -> None:
    """A key is made, the service is started with it, and both clients list the models."""
    write_bundle(tmp_path / "models")
    section = (ROOT / "docs/changing-models.md").read_text().partition("\n## The admin port\n")[2]
    add, serve, *others = section.partition("```sh\n")[2].partition("```")[0].splitlines()
    shell = f'set -e\nsnellen() {{ "{sys.executable}" -P -m snellen "$@"; }}\n'

    def run(script: str) -> str:
        done = subprocess.run(["sh", "-c", shell + script], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    key = run(f'{add}\necho "$OPERATOR_KEY"').strip()
    assert serve == "snellen serve --keys keys.txt --admin-port 9000"
    flags = ("--keys", str(tmp_path / "keys.txt"), "--admin-port", "0")
    with running(tmp_path / "models", *flags) as server:
        script = "\n".join(others).replace("http://127.0.0.1:9000", address_of(server))
        assert run(f"OPERATOR_KEY={key}\n{script}").count("colours/1") == 2
