"""Real proxies with the files of deploy/, on free ports."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT
from tests.support.programs import program

NGINX_FILE = ROOT / "deploy" / "nginx" / "snellen.conf"
CADDY_FILE = ROOT / "deploy" / "caddy" / "Caddyfile"
_NGINX = """{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/snellen.conf;
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def _with_ports(file: Path, port: int, servers: tuple[int, int]) -> str:
    """Return a file of deploy/ with these ports in place of 8080, 8001 and 8002."""
    text = file.read_text()
    for shipped, used in (("8080", port), ("127.0.0.1:8001", servers[0]), ("127.0.0.1:8002", servers[1])):
        lines = [line for line in text.splitlines() if shipped in line and not line.lstrip().startswith("#")]
        assert lines, f"{file} does not name {shipped}"
        for line in lines:
            text = text.replace(line, line.replace(shipped, shipped.removesuffix(shipped[-4:]) + str(used)))
    return text


@contextmanager
def nginx(folder: Path, servers: tuple[int, int], *, strip: bool = False) -> Iterator[str]:
    """Run nginx before servers on these ports, and yield its address. strip: take the prefix away."""
    path, port = program("nginx", package="nginx-light"), free_port()
    text = _with_ports(NGINX_FILE, port, servers)
    if strip:
        assert text.count("proxy_pass http://snellen;") == 1
        text = text.replace("proxy_pass http://snellen;", "proxy_pass http://snellen/;")
    (folder / "snellen.conf").write_text(text)
    user = "user root;" if os.geteuid() == 0 else ""  # pytest's folders are closed to other users
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, user=user))
    command = [path, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    with _running(command, port, folder / "output.log"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def caddy(folder: Path, servers: tuple[int, int]) -> Iterator[str]:
    """Run Caddy before servers on these ports, and yield its address."""
    path, port = program("caddy", package="caddy"), free_port()
    options = "{\n\tadmin off\n}\n"
    (folder / "Caddyfile").write_text(options + _with_ports(CADDY_FILE, port, servers))
    command = [path, "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    with _running(command, port, folder / "output.log"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(command: list[str], port: int, log: Path) -> Iterator[None]:
    environment = os.environ | {"HOME": str(log.parent), "XDG_DATA_HOME": str(log.parent)}
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        end = time.monotonic() + 30
        while not _listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True
