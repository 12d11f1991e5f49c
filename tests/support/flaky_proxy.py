"""A real HTTP server before a service, which refuses or drops the first requests and passes the others on."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2 as httpx

PASSED_ON = ("content-type", "x-request-id", "server-timing", "retry-after")


@dataclass(frozen=True)
class Refusal:
    """An answer in the place of the service's; with status 0 the connection is closed without one."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


CLOSE = Refusal(0)


@dataclass
class FlakyProxy:
    """What the proxy does with the next requests, and what it saw: seconds, paths and headers of the requests.

    slow_s: seconds before a request is passed on. most_at_once: requests that were there at the same time.
    """

    service: str
    refusals: list[Refusal]
    url: str = ""
    slow_s: float = 0
    times: list[float] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, path: str, headers: dict[str, str]) -> Refusal | None:
        """Record a request, and return its refusal if there is one left."""
        with self.lock:
            self.times.append(time.monotonic())
            self.paths.append(path)
            self.headers.append(headers)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            return self.refusals.pop(0) if self.refusals else None

    def ended(self) -> None:
        """Record that a request has its answer."""
        with self.lock:
            self.at_once -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FlakyProxy

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def log_message(self, *_: object) -> None:
        """Write no line for each request."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        refusal = self.proxy.note(self.path, dict(self.headers))
        try:
            if refusal is None:
                refusal = self._passed_on(body)
            if refusal.status:
                self._answer(refusal)
        finally:
            self.proxy.ended()
        self.close_connection = not refusal.status

    def _passed_on(self, body: bytes) -> Refusal:
        time.sleep(self.proxy.slow_s)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        answer = httpx.request(self.command, self.proxy.service + self.path, headers=headers, content=body)
        kept = {name: value for name, value in answer.headers.items() if name in PASSED_ON}
        return Refusal(answer.status_code, kept, answer.content)

    def _answer(self, answer: Refusal) -> None:
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client may be gone
            self.wfile.write(answer.body)


@contextmanager
def flaky(service: str, refusals: Sequence[Refusal] = (), slow_s: float = 0) -> Iterator[FlakyProxy]:
    """Refuse the first requests as listed, and pass the others on to the service, until the block ends."""
    proxy = FlakyProxy(service, list(refusals), slow_s=slow_s)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
