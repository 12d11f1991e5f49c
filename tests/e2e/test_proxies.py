"""docs/proxies.md with real proxies: the files of deploy/ before two servers, below a prefix."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.conftest import ROOT
from tests.support.bundles import write_bundle
from tests.support.pictures import picture
from tests.support.proxies import caddy, free_port, nginx
from tests.support.server import ServerProcess, running
from tests.support.shapes import slow_but
from tests.support.steady_load import SteadyLoad

MIB = 1024 * 1024
FLAGS = ("--root-path", "/vision", "--listen-when-ready", "--allow-origins", "https://shop.example")
PROXIES: dict[str, Callable[[Path, tuple[int, int]], AbstractContextManager[str]]] = {
    "nginx": nginx,
    "nginx strips": partial(nginx, strip=True),
    "caddy": caddy,
}
SHIM = """#!{python}
import os, subprocess, sys, time
name, port = sys.argv[2].split("@")
assert (sys.argv[1], name) == ("restart", "snellen")
running = "{folder}/" + port
pid = int(open(running).read())
os.kill(pid, 15)
while os.path.exists(f"/proc/{{pid}}"):
    time.sleep(0.02)
command = [sys.executable, "-m", "service", "--port", port, "--models", "{models}", *{flags}]
with open(running + ".log", "w") as log:
    process = subprocess.Popen(command, cwd="{root}", stdout=log, stderr=log, start_new_session=True)
open(running, "w").write(str(process.pid))
"""
"""`systemctl restart snellen@PORT` as systemd does it: returns when the new process has been started."""


class Site:
    """A proxy and its two servers."""

    def __init__(self, url: str, servers: list[ServerProcess]) -> None:
        self.url, self.servers = url, servers
        self.host = url.removeprefix("http://")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_bundle(folder)
    return folder


@pytest.fixture(scope="module", params=PROXIES)
def site(request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("proxy")
    with ExitStack() as stack:
        servers = [stack.enter_context(running(models, *FLAGS, "--access-log", wait=False)) for _ in range(2)]
        ports = (servers[0].port, servers[1].port)
        yield Site(stack.enter_context(PROXIES[request.param](folder, ports)), servers)


def test_everything_works_below_the_prefix(site: Site) -> None:
    """The page with its files, the API, its description, and the page of a problem; metrics are not published."""
    page = httpx.get(f"{site.url}/vision/")
    for name in re.findall(r'(?:href|src)="(page/[^"]+)"', page.text):
        assert httpx.get(f"{site.url}/vision/{name}").status_code == 200
    assert httpx.get(f"{site.url}/vision", follow_redirects=True).text == page.text
    docs = httpx.get(f"{site.url}/vision/docs").text
    for name in re.findall(r'(?:href|src|url)[=:] ?[\'"](/[^\'"]+)[\'"]', docs):
        assert httpx.get(f"{site.url}{name}").status_code == 200, name
    assert httpx.get(f"{site.url}/vision/openapi.json").json()["servers"] == [{"url": "/vision"}]
    refused = httpx.post(f"{site.url}/vision/v1/classify", content=b"rubbish")
    assert httpx.get(f"{site.url}{refused.json()['type']}").status_code == 200
    assert httpx.get(f"{site.url}/vision/metrics").status_code == 404


def test_both_servers_are_used(site: Site) -> None:
    """In turns."""
    for _ in range(10):
        assert httpx.post(f"{site.url}/vision/v1/classify", content=picture()).status_code == 200
    for server in site.servers:
        assert 'route="/v1/classify",status="200"' in httpx.get(f"{server.url}/metrics").text


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_arrives(site: Site, chunked: bool) -> None:
    """20 MiB of an image, at once or in pieces: it is one whose end is missing, and the service says so."""
    body = picture(size=(300, 300), image_format="BMP")[:54] + bytes(20 * MIB)
    content = (body[at : at + MIB] for at in range(0, len(body), MIB)) if chunked else body
    answer = httpx.post(f"{site.url}/vision/v1/classify", content=content, timeout=60)
    assert answer.status_code in (200, 422), answer.text
    assert float(answer.headers["server-timing"].partition("receive;dur=")[2].partition(",")[0]) > 0


def test_the_service_answers_a_body_that_is_a_little_too_large(site: Site) -> None:
    """With its own problem, in which the limit is the service's."""
    answer = httpx.post(f"{site.url}/vision/v1/classify", content=bytes(32 * MIB + 1), timeout=60)
    assert (answer.status_code, answer.json()["type"]) == (413, "/vision/problems/body-too-large")
    assert f"{32 * MIB} bytes" in answer.json()["detail"]
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_body_that_is_much_too_large_is_refused_before_it_is_sent(site: Site, request: pytest.FixtureRequest) -> None:
    """By nginx, with a problem document of its own; the service does not see it."""
    if "caddy" in request.node.name:
        pytest.skip("Caddy passes bodies of any size on")
    before = [httpx.get(f"{server.url}/metrics").text.count('status="413"') for server in site.servers]
    with closing(HTTPConnection(site.host, timeout=60)) as connection:
        connection.putrequest("POST", "/vision/v1/classify")
        connection.putheader("Content-Length", str(400 * MIB))
        connection.endheaders()
        answer = connection.getresponse()
        problem = json.loads(answer.read())
    assert (answer.status, answer.headers["content-type"]) == (413, "application/problem+json")
    assert (problem["type"], problem["request_id"]) == (
        "/vision/problems/body-too-large",
        answer.headers["x-request-id"],
    )
    assert "33 MiB" in problem["detail"]
    assert [httpx.get(f"{server.url}/metrics").text.count('status="413"') for server in site.servers] == before


@pytest.mark.parametrize("given", ["order-4711", None, 'a"b'])
def test_the_request_id_is_the_same_everywhere(site: Site, request: pytest.FixtureRequest, given: str | None) -> None:
    """In the answer and in the service's log: the client's if it is fit for that, else one of the proxy."""
    headers = {"X-Request-ID": given} if given else {}
    answer = httpx.post(f"{site.url}/vision/v1/classify", content=picture(), headers=headers)
    found = answer.headers["x-request-id"]
    if "caddy" not in request.node.name:
        assert (found == given) == (given == "order-4711")
    end = time.monotonic() + 10
    while not any(found in server.log for server in site.servers):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_page_of_another_origin_may_call(site: Site) -> None:
    """The preflight and the answer, a problem too, have each header once."""
    headers = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    path = f"{site.url}/vision/v1/classify"
    for answer in (
        httpx.options(path, headers=headers),
        httpx.post(path, content=picture(), headers=headers),
        httpx.post(path, content=b"rubbish", headers=headers),
    ):
        assert answer.headers.get_list("access-control-allow-origin") == ["https://shop.example"]


def test_nginx_answers_with_a_problem_when_no_server_is_there(tmp_path: Path) -> None:
    """With the time to come back."""
    with nginx(tmp_path, (free_port(), free_port())) as url:
        answer = httpx.get(f"{url}/vision/readyz")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["retry-after"] == "2"


class SeenHeaders(BaseHTTPRequestHandler):
    """Answers with the headers of the request."""

    def do_GET(self) -> None:
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None: ...


def test_nginx_adds_the_address_of_the_client(tmp_path: Path) -> None:
    """Behind what the client wrote there itself, which --trusted-proxies does not believe."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SeenHeaders) as server:
        threading.Thread(target=server.serve_forever).start()
        port = server.server_address[1]
        try:
            with nginx(tmp_path, (port, port)) as url:
                answer = httpx.get(f"{url}/vision/readyz", headers={"X-Forwarded-For": "203.0.113.9"})
        finally:
            server.shutdown()
    assert answer.json()["X-Forwarded-For"] == "203.0.113.9, 127.0.0.1"
    assert answer.json()["X-Forwarded-Proto"] == "http"


@pytest.mark.parametrize("proxy", slow_but("nginx", ["nginx", "caddy"]))
def test_a_rolling_restart_loses_no_request(models: Path, tmp_path: Path, proxy: str) -> None:
    """The commands of the page, while clients with open connections send one request after the other."""
    flags = FLAGS if proxy == "nginx" else (*FLAGS[:2], "--drain-delay-s", "3")
    ports = (free_port(), free_port())
    bin_folder, pids = tmp_path / "bin", tmp_path / "pids"
    bin_folder.mkdir()
    pids.mkdir()
    shim = SHIM.format(python=sys.executable, folder=pids, models=models, flags=repr(list(flags)), root=ROOT)
    (bin_folder / "systemctl").write_text(shim)
    (bin_folder / "systemctl").chmod(0o755)
    text = (ROOT / "docs" / "proxies.md").read_text()
    for shipped in ("8001", "8002"):
        served = [flag for flag in flags if flag not in FLAGS[3:]]
        assert f"snellen serve --port {shipped} {' '.join(served)}\n" in text
    (commands,) = [block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "systemctl" in block]
    commands = commands.replace("8001", str(ports[0])).replace("8002", str(ports[1]))
    environment = os.environ | {"PATH": f"{bin_folder}:{os.environ['PATH']}", "SNELLEN_FRONTENDS": "1"}
    with ExitStack() as stack:
        first = [stack.enter_context(running(models, *flags, "--port", str(port))) for port in ports]
        for server, port in zip(first, ports, strict=True):
            (pids / str(port)).write_text(str(server.process.pid))
            threading.Thread(target=server.process.wait, daemon=True).start()  # so that its end is seen in /proc
        url = stack.enter_context(PROXIES[proxy](tmp_path, ports))
        for port in ports:
            stack.callback(lambda port: os.kill(int((pids / str(port)).read_text()), signal.SIGKILL), port)
        with SteadyLoad(url.removeprefix("http://"), "/vision/v1/classify") as load:
            time.sleep(1)
            done = subprocess.run(["bash", "-ec", commands], env=environment, check=False, timeout=180)
            time.sleep(1)
        assert done.returncode == 0
        assert load.failed == []
        assert load.answered > 20 * load.clients
        assert [server.process.returncode for server in first] == [0, 0]
        for port, server in zip(ports, first, strict=True):
            assert int((pids / str(port)).read_text()) != server.process.pid
            assert 'status="200"' in httpx.get(f"http://127.0.0.1:{port}/metrics").text
