"""Compare plain HTTP, TLS as the service does it, and TLS of the event loop: CPU time of the server for a request.

    .venv/bin/python -m benchmarks.micro.tls [--rounds 15]

An application of a few lines answers with 300 bytes. The three servers take turns, so that other load on the machine
affects them alike. Needs Linux and the openssl command.
"""

import argparse
import asyncio
import ssl
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY, create_connection
from typing import Any

import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from service.server.certificates import PemFile, TlsMaterial, new_context
from service.server.http.connection import protocol
from service.server.http.tls import TlsConnection, TlsPort

WAYS = ("plain HTTP", "TLS of the service", "TLS of the event loop")
ANSWER_BYTES = 300
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 61000\r\n\r\n" + bytes(61000)
WORK: dict[str, tuple[bytes, int, int]] = {
    "no body": (GET, 1, 1500),
    "61 KB": (POST, 1, 500),
    "new connection": (GET, 150, 1),
}
"""What is asked -> the request, the connections one after the other, and the requests on each."""


def main() -> None:
    """Measure and print microseconds of CPU time for a request."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--serve", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        uvloop.run(serve(options.serve[0], Path(options.serve[1])))
        return
    measured: dict[tuple[str, str], list[float]] = {(way, work): [] for work in WORK for way in WAYS}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        make_certificate(Path(folder))
        servers = {way: stack.enter_context(running(way, folder)) for way in WAYS}
        for _ in range(options.rounds):
            for (way, work), seconds in measured.items():
                pid, port = servers[way]
                seconds.append(cpu_s_of_request(pid, port, tls=way != WAYS[0], work=work))
    for (way, work), seconds in measured.items():
        print(f"{work:16} {way:24} {statistics.median(seconds) * 1e6:8.1f} us")


def make_certificate(folder: Path) -> None:
    """Write tls.crt and tls.key, for a key on the curve P-256."""
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost"]
    command = ["openssl", "req", "-x509", *kind, "-keyout", f"{folder}/tls.key", "-out", f"{folder}/tls.crt"]
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def running(way: str, folder: str) -> Iterator[tuple[int, int]]:
    """Run a server until the block ends. Yield its process id and its port."""
    command = [sys.executable, "-m", "benchmarks.micro.tls", "--serve", way, folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()


async def serve(way: str, folder: Path) -> None:
    """Serve for an hour, and print the port."""
    made, pair = http_protocol(), (folder / "tls.crt", folder / "tls.key")
    loop, context = asyncio.get_running_loop(), None
    if way == WAYS[1]:
        port = TlsPort(10, on_failed=lambda _reason: None, on_closed=lambda: None)
        port.context = new_context(TlsMaterial(*(PemFile(path.name, path.read_bytes()) for path in pair)))
        made = partial(TlsConnection, port, made)
    elif way == WAYS[2]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
    server = await loop.create_server(made, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(3600)


def http_protocol() -> Callable[[], asyncio.Protocol]:
    """Return a function that makes the service's HTTP connection for the application of this benchmark."""

    async def application(_scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body", False):
            pass
        headers = [(b"content-length", b"%d" % ANSWER_BYTES)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": bytes(ANSWER_BYTES)})

    config = uvicorn.Config(application, http=protocol(10, 1000), ws="none", log_config=None, lifespan="off")
    config.load()
    made: Any = config.http_protocol_class
    return partial(made, config=config, server_state=ServerState(), app_state={})


def cpu_s_of_request(pid: int, port: int, *, tls: bool, work: str) -> float:
    """Return the seconds of CPU time that the server takes for a request."""
    request, connections, requests = WORK[work]
    before = cpu_s(pid)
    for _ in range(connections):
        ask(port, tls, request, requests)
    return (cpu_s(pid) - before) / connections / requests


def ask(port: int, tls: bool, request: bytes, count: int) -> None:
    """Send requests one after the other on one connection."""
    with create_connection(("127.0.0.1", port)) as plain:
        plain.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        connection = plain
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = context.wrap_socket(plain)
        for _ in range(count):
            connection.sendall(request)
            answer = b""
            while len(answer.partition(b"\r\n\r\n")[2]) < ANSWER_BYTES:
                answer += connection.recv(65536)
        connection.close()


def cpu_s(pid: int) -> float:
    """Return the CPU time of all threads of a process in seconds, to the nanosecond."""
    return sum(int(file.read_text().split()[0]) for file in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


if __name__ == "__main__":
    main()
