"""HTTPS with real processes and real clients: curl, openssl, Python; one process, several, and an engine process."""

import json
import os
import re
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPSConnection
from pathlib import Path

import httpx2 as httpx
import pytest

from service.command_line import given_settings
from service.server.http.tls import MAX_HANDSHAKES
from snellen.client import Client, Retries, Unreachable
from tests.conftest import ROOT
from tests.support.bundles import write_bundle
from tests.support.certificates import DAY, Authority
from tests.support.pictures import RED, picture
from tests.support.processes import frontends_of, until
from tests.support.server import ServerProcess, running, running_command
from tests.support.shapes import slow_but

SHAPES = {
    "one": ("--frontends", "1"),
    "several": ("--frontends", "2"),
    "engine": ("--frontends", "1", "--engines", "1"),
}
LONG_S = 30
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"


class Site:
    """A folder with models, an authority, and the files for TLS."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.authority = folder, Authority(folder / "ca")
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"
        self.authority.sign(self.certificate, self.key)
        write_bundle(folder / "models")

    @contextmanager
    def running(self, *flags: str, clients: bool = False) -> Iterator[ServerProcess]:
        """Serve with TLS until the block ends. clients: only those with a certificate of the authority."""
        files = ["--tls-certificate", str(self.certificate), "--tls-key", str(self.key)]
        files += ["--tls-client-ca", str(self.authority.certificate)] if clients else []
        pair = (self.certificate, self.key) if clients else None
        with running(self.folder / "models", *files, *flags, wait=False) as server:
            end = time.monotonic() + 60
            while httpx.get(f"{server.url}/readyz", verify=self.authority.context(pair)).status_code != 200:
                assert time.monotonic() < end, server.log
                time.sleep(0.05)
            yield server
        assert "Traceback" not in server.log, server.log

    def renew(self, name: str = "renewed") -> None:
        """Put a new pair in place of the one that is there."""
        new = self.folder / "new.crt", self.folder / "new.key"
        self.authority.sign(*new, name=name)
        new[1].replace(self.key)
        new[0].replace(self.certificate)

    def shown_by(self, server: ServerProcess) -> str:
        """Return the name in the certificate that a new connection gets."""
        context = self.authority.context()
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=LONG_S) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as client,
        ):
            subject = str((client.getpeercert() or {})["subject"])
            return subject.partition("'commonName', '")[2].partition("'")[0]

    def metrics(self, server: ServerProcess) -> str:
        return httpx.get(f"{server.url}/metrics", verify=self.authority.context()).text


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def curl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["curl", "--silent", "--show-error", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=LONG_S, check=False)


def s_client(server: ServerProcess, *arguments: str, send: str = "") -> subprocess.CompletedProcess[str]:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", *arguments]
    return subprocess.run(command, input=send, capture_output=True, text=True, timeout=LONG_S, check=False)


@pytest.mark.parametrize("shape", slow_but("several", SHAPES))
def test_it_speaks_https_and_nothing_else(site: Site, shape: str) -> None:
    """HTTP/1.1 with TLS 1.2 and 1.3, in every shape; its log says https, and its drain is one without TLS."""
    photo = site.folder / "red.bmp"
    photo.write_bytes(picture(RED, (900, 900), "BMP"))
    ca = site.authority.certificate
    with site.running(*SHAPES[shape], "--drain-delay-s", "0.2") as server:
        assert server.url.startswith("https://127.0.0.1:")
        path = f"{server.url}/v1/classify"
        for version in ("--tlsv1.2", "--tlsv1.3"):
            # with Expect: 100-continue, for a body of this size
            done = curl("--cacert", ca, version, "--tls-max", version[-3:], "--data-binary", f"@{photo}", path)
            assert json.loads(done.stdout)["results"][0]["predictions"][0]["label"] == "red", done
        with Client(server.url, verify=str(ca)) as client:
            assert client.classify(photo).best.label == "red"
        with (
            Client(server.url, retries=Retries(attempts=1)) as stranger,
            pytest.raises(Unreachable, match=r"certificate of .* is not accepted .*: verify=FILE"),
        ):
            stranger.classify(photo)
        old = s_client(server, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        assert "protocol version" in old.stderr
        again = s_client(server, "-tls1_2", "-no_ign_eof", send="R\n")
        assert "no renegotiation" in again.stderr, again
        agreed = s_client(server, "-alpn", "h2,http/1.1", "-CAfile", str(ca))
        assert "ALPN protocol: http/1.1" in agreed.stdout
        assert "Verify return code: 0 (ok)" in agreed.stdout
        plain = curl("--include", f"http://127.0.0.1:{server.port}/livez")
        assert plain.stdout.startswith("HTTP/1.1 400 Bad Request")
        assert "use https:// in the address" in plain.stdout
        assert curl(f"{server.url}/livez").returncode == 60  # curl does not know the authority
        metrics = site.metrics(server)
        assert 'snellen_failed_tls_handshakes_total{reason="not_tls"} 1.0' in metrics
        assert 'snellen_failed_tls_handshakes_total{reason="version"} 1.0' in metrics
        assert f'snellen_tls_certificate_expiry_timestamp_seconds{{file="{site.certificate}"}}' in metrics
        server.terminate()
        assert server.process.wait(LONG_S) == 0


@pytest.mark.parametrize("shape", slow_but("several", ["one", "several"]))
def test_a_renewed_certificate_costs_no_request(site: Site, shape: str) -> None:
    """Clients that keep their connections and those that open new ones, through renewals and a broken pair."""
    with site.running(*SHAPES[shape]) as server, ThreadPoolExecutor(8) as pool:
        stop, context = threading.Event(), site.authority.context()

        def ask(keep: bool) -> tuple[int, int]:
            """Return how many requests were answered with 200, and how many were not."""
            good = bad = 0
            client = httpx.Client(verify=context)
            while not stop.is_set():
                try:
                    answer = client.post(f"{server.url}/v1/classify", content=picture())
                    good += answer.status_code == 200
                    bad += answer.status_code != 200
                except httpx.HTTPError:
                    bad += 1
                if not keep:
                    client.close()
                    client = httpx.Client(verify=context)
            client.close()
            return good, bad

        calls = [pool.submit(ask, keep) for keep in (True, True, True, False)]
        for name in ("second", "third"):
            site.renew(name)
            until(lambda name=name: site.shown_by(server) == name, server)  # type: ignore[misc]
        site.certificate.write_text("rubbish")
        until(lambda: "holds no certificate" in server.log, server)
        time.sleep(2.5)
        assert {site.shown_by(server) for _ in range(6)} == {"third"}
        stop.set()
        answers = [call.result() for call in calls]
        assert all(good > 10 and bad == 0 for good, bad in answers), answers
        assert server.log.count("holds no certificate in PEM format") == 1
        assert server.log.count("changed TLS files are in force") == 2


def test_a_frontend_that_starts_again_uses_what_is_in_force(site: Site) -> None:
    """Although the files cannot be used any more; and what is renewed later."""
    with site.running(*SHAPES["several"]) as server:
        site.key.unlink()
        until(lambda: "cannot read" in server.log, server)
        before = frontends_of(server)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(set(frontends_of(server)) - set(before)) == 2, server)

        def answers() -> bool:
            with suppress(httpx.HTTPError):
                return httpx.get(f"{server.url}/readyz", verify=site.authority.context()).status_code == 200
            return False

        until(answers, server)
        assert site.shown_by(server) == "server"
        site.renew("later")
        until(lambda: {site.shown_by(server) for _ in range(4)} == {"later"}, server)


@pytest.mark.parametrize("shape", slow_but("several", ["one", "several"]))
def test_only_clients_with_a_certificate_are_let_in(site: Site, shape: str) -> None:
    """Others are refused in the handshake, and told why."""
    ca, stranger = site.authority.certificate, Authority(site.folder / "stranger", "another")
    site.authority.sign(site.folder / "client.crt", site.folder / "client.key", name="client")
    site.authority.sign(site.folder / "old.crt", site.folder / "old.key", -9 * DAY, -2 * DAY)
    stranger.sign(site.folder / "no.crt", site.folder / "no.key")
    with site.running(*SHAPES[shape], clients=True) as server:

        def ask(*pair: str) -> subprocess.CompletedProcess[str]:
            shown = ["--cert", str(site.folder / pair[0]), "--key", str(site.folder / pair[1])] if pair else []
            return curl("--cacert", ca, *shown, f"{server.url}/livez")

        assert ask("client.crt", "client.key").stdout == '{"live":true}'
        context = site.authority.context((site.folder / "client.crt", site.folder / "client.key"))
        with Client(server.url, verify=context) as client:
            assert client.models().models
        for pair, reason in (
            ((), "certificate required"),
            (("no.crt", "no.key"), "unknown ca"),
            (("old.crt", "old.key"), "certificate expired"),
        ):
            refused = ask(*pair)
            assert (refused.stdout, reason in refused.stderr) == ("", True), refused
        metrics = curl(
            *("--cacert", ca, "--cert", site.folder / "client.crt", "--key", site.folder / "client.key"),
            f"{server.url}/metrics",
        )
        assert 'snellen_failed_tls_handshakes_total{reason="client_certificate"} 3.0' in metrics.stdout


def test_an_authority_of_clients_can_be_taken_away(site: Site) -> None:
    """While the service runs; a session that a client has kept does not help it."""
    stranger = Authority(site.folder / "stranger", "another")
    stranger.sign(site.folder / "other.crt", site.folder / "other.key")
    trusted, other = site.folder / "clients.crt", (site.folder / "other.crt", site.folder / "other.key")
    trusted.write_bytes(site.authority.certificate.read_bytes() + stranger.certificate.read_bytes())
    files = ["--tls-certificate", str(site.certificate), "--tls-key", str(site.key), "--tls-client-ca", str(trusted)]
    with running(site.folder / "models", *files, *SHAPES["several"], wait=False) as server:
        context, kept = site.authority.context(other), list[ssl.SSLSession | None]()

        def ask() -> bytes:
            with (
                socket.create_connection(("127.0.0.1", server.port), timeout=LONG_S) as plain,
                context.wrap_socket(plain, server_hostname="localhost", session=kept[-1] if kept else None) as client,
            ):
                client.sendall(LIVEZ)
                answer = client.recv(65536)
                kept.append(client.session)
                return answer

        assert ask().startswith(b"HTTP/1.1 200 OK")
        assert ask().startswith(b"HTTP/1.1 200 OK")
        trusted.write_bytes(site.authority.certificate.read_bytes())
        until(lambda: "changed TLS files are in force" in server.log, server)
        with pytest.raises((ssl.SSLError, ConnectionResetError), match=r"UNKNOWN_CA|unknown ca|reset"):
            for _ in range(20):
                ask()
                time.sleep(0.05)


def failed_start(site: Site, *flags: str) -> tuple[int, list[str]]:
    """Run the service to its end; return the exit status, and what it prints."""
    command = [sys.executable, "-m", "service", "--port", "0", "--models", str(site.folder / "models"), *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize("shape", slow_but("several", ["one", "several"]))
def test_files_that_cannot_be_used_refuse_the_start(site: Site, shape: str) -> None:
    """With one sentence and status 2; nothing asks for a passphrase."""
    site.authority.sign(site.folder / "other.crt", site.folder / "other.key")
    secret = site.folder / "secret.key"
    subprocess.run(
        ["openssl", "pkey", "-in", site.key, "-aes256", "-passout", "pass:secret", "-out", secret], check=True
    )
    certificate = ["--tls-certificate", str(site.certificate)]
    for flags, sentence in (
        ([*certificate, "--tls-key", str(site.folder / "other.key")], "does not belong to the first certificate in"),
        ([*certificate, "--tls-key", str(secret)], "is encrypted; write it without a passphrase: openssl pkey -in"),
        ([*certificate, "--tls-key", "nowhere.key"], "cannot read nowhere.key: No such file or directory; see --tls-"),
        (certificate, "holds no private key in PEM format; see --tls-key"),
        (["--tls-key", str(site.key)], "there is no TLS without a certificate: add --tls-certificate FILE"),
        (["--tls-client-ca", str(site.key)], "there is no TLS without a certificate: add --tls-certificate FILE"),
        (["--trusted-proxies", "10.0.0.0/8,proxy"], "'proxy' is no IP address and no network; write it as 10.0.0.0/8"),
    ):
        status, (line,) = failed_start(site, *SHAPES[shape], *flags)
        assert (status, line.startswith("snellen: "), sentence in line) == (2, True, True), line


def test_an_expired_certificate_is_served_with_a_warning(site: Site) -> None:
    """With the date; whether it is accepted is for the clients to decide."""
    site.authority.sign(site.certificate, site.key, -9 * DAY, -2 * DAY)
    files = ["--tls-certificate", str(site.certificate), "--tls-key", str(site.key)]
    with running(site.folder / "models", *files, wait=False) as server:
        assert re.search(
            r"WARNING .*tls.crt has expired on \d{4}-\d\d-\d\d \d\d:\d\d UTC; clients refuse it", server.log
        )
        refused = curl("--cacert", site.authority.certificate, f"{server.url}/livez")
        assert "certificate has expired" in refused.stderr
        assert curl("--insecure", f"{server.url}/livez").stdout == '{"live":true}'


@pytest.mark.parametrize("shape", slow_but("several", ["one", "several"]))
def test_a_flood_of_handshakes_that_never_end_keeps_no_client_out(site: Site, shape: str) -> None:
    """Also of some that send half a hello; what they hold is given back."""
    processes = 1 if shape == "one" else 2
    with (
        site.running(*SHAPES[shape], "--max-connections", "16", "--body-timeout-s", "5") as server,
        ExitStack() as stack,
    ):
        for number in range(MAX_HANDSHAKES * processes + 100):
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=LONG_S))
            silent.sendall(b"\x16\x03\x01\x02\x00\x01" if number % 2 else b"")
        assert httpx.get(f"{server.url}/livez", verify=site.authority.context()).status_code == 200
        until(lambda: _failed(site.metrics(server)) >= MAX_HANDSHAKES * processes + 100, server)
        assert httpx.get(f"{server.url}/livez", verify=site.authority.context()).status_code == 200


def _failed(metrics: str) -> float:
    found = re.findall(r'^snellen_failed_tls_handshakes_total\{reason="(?:too_many|timeout)"\} (\S+)', metrics, re.M)
    return sum(map(float, found))


@pytest.mark.parametrize("shape", slow_but("several", ["one", "several"]))
def test_a_drain_answers_who_is_there_and_waits_for_no_handshake(site: Site, shape: str) -> None:
    """Idle connections end with the end that TLS has, a handshake that goes on is not awaited; the status is 0."""
    with site.running(*SHAPES[shape], "--drain-delay-s", "0.5", "--drain-limit-s", "10") as server:
        context = site.authority.context()
        silent = socket.create_connection(("127.0.0.1", server.port))
        idle = HTTPSConnection("localhost", server.port, context=context, timeout=LONG_S)
        idle.request("GET", "/livez")
        assert idle.getresponse().read()
        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(_until_refused, server.port, context) for _ in range(4)]
            time.sleep(0.5)
            server.terminate()
            ended = time.monotonic()
            answers = [call.result() for call in calls]
        assert all(statuses == {200} for statuses in answers), answers
        assert server.process.wait(LONG_S) == 0
        assert time.monotonic() - ended < 8
        assert idle.sock.recv(1) == b""
        for each in (silent, idle):
            each.close()


def _until_refused(port: int, context: ssl.SSLContext) -> set[int]:
    """Ask with connections that are kept, until no new one is accepted; return the statuses, 0 for a lost request."""
    statuses = set[int]()
    while True:
        client = HTTPSConnection("localhost", port, context=context, timeout=LONG_S)
        try:
            client.connect()
        except OSError:
            return statuses
        keeps = True
        while keeps:
            try:
                client.request("GET", "/livez")
                answer = client.getresponse()
                answer.read()
            except (OSError, ssl.SSLError):
                return statuses | {0}
            statuses.add(answer.status)
            keeps = answer.getheader("Connection") != "close"
        client.close()


@pytest.mark.parametrize("shape", slow_but("several", ["one", "several"]))
def test_it_listens_when_it_is_ready(site: Site, shape: str) -> None:
    """With TLS from the first connection on."""
    with site.running(*SHAPES[shape], "--listen-when-ready") as server:
        assert f"bound to {server.url}, and listens there once it is ready" in server.log
        assert site.shown_by(server) == "server"


def test_connections_above_the_limit_get_a_problem(site: Site) -> None:
    """Which arrives whole, and at once."""
    with site.running("--max-connections", "1") as server:
        context = site.authority.context()
        idle = HTTPSConnection("localhost", server.port, context=context, timeout=LONG_S)

        def alone() -> bool:
            idle.request("GET", "/livez")
            return idle.getresponse().read() == b'{"live":true}'

        until(alone, server)
        started = time.monotonic()
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=LONG_S) as plain,
            context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as refused,
        ):
            refused.sendall(LIVEZ)
            answer = b""
            while piece := refused.recv(65536):
                answer += piece
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert time.monotonic() - started < 1.5
        idle.close()


DOCUMENT = (ROOT / "docs/tls.md").read_text()


def documented(heading: str) -> list[str]:
    """Return the commands of the first block below a heading of docs/tls.md."""
    block: str = re.findall(r"```sh\n(.*?)```", DOCUMENT.partition(f"\n## {heading}\n")[2], re.DOTALL)[0]
    return block.replace("\\\n", " ").splitlines()


def carry_out(commands: list[str], folder: Path) -> list[str]:
    """Run documented commands in a folder, the service on a free port, and return what curl prints."""
    printed, address = list[str](), ""
    with ExitStack() as stack:
        for command in commands:
            program, *rest = shlex.split(command.replace("https://localhost:8000", address))
            if program == "snellen":
                start = [sys.executable, "-m", "snellen", *rest, "--port", "0", "--models", "models"]
                variables = os.environ | {"PYTHONPATH": str(ROOT)}
                server = stack.enter_context(
                    running_command(*start, environment=variables, folder=folder, wait=None if address else False)
                )
                until(lambda server=server: bool(server.url), server)  # type: ignore[misc]
                address = server.url.replace("127.0.0.1", "localhost")
                until(lambda server=server: " is open after " in server.log, server)  # type: ignore[misc]
                continue
            more = (
                ["--silent", "--show-error", "--fail", "--retry", "30", "--retry-all-errors"]
                if program == "curl"
                else []
            )
            done = subprocess.run([program, *more, *rest], check=True, cwd=folder, capture_output=True, text=True)
            printed += [done.stdout] if program == "curl" else []
    return printed


def test_the_commands_of_the_document_work(tmp_path: Path) -> None:
    """A certificate of one's own, the service and curl; then an authority, a client, and both again."""
    write_bundle(tmp_path / "models")
    (tmp_path / "photo.jpg").write_bytes(picture(RED, (90, 90), "JPEG"))
    ready, classified = carry_out(documented("Try it"), tmp_path)
    assert json.loads(ready)["ready"]
    assert json.loads(classified)["results"][0]["predictions"][0]["label"] == "red"
    (ready,) = carry_out(documented("Clients with certificates"), tmp_path)
    assert json.loads(ready)["ready"]


def test_the_options_of_the_document_are_options() -> None:
    """Each `snellen serve` in it."""
    for command in re.findall(r"^snellen serve (.*)$", DOCUMENT, re.MULTILINE):
        assert given_settings(shlex.split(command))
