"""A collector of spans: an HTTP server that reads OTLP, as Jaeger and the OpenTelemetry Collector do."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Attributes = dict[str, str | int]


class SpanCollector(ThreadingHTTPServer):
    """Keeps the spans that arrive, with the attributes of the service that sent each of them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[tuple[Attributes, Span]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def of(self, trace_id: str) -> dict[str, Span]:
        """The spans of one trace by name."""
        return {span.name: span for _, span in [*self.spans] if span.trace_id.hex() == trace_id}


class _Handler(BaseHTTPRequestHandler):
    server: SpanCollector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = attributes_of(group.resource)
            self.server.spans += [(service, span) for scope in group.scope_spans for span in scope.spans]
        self.send_response(200 if self.path == "/v1/traces" else 404)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def attributes_of(thing: Any) -> Attributes:
    """Its attributes, texts and whole numbers."""
    return {each.key: each.value.string_value or each.value.int_value for each in thing.attributes}


@contextmanager
def collecting() -> Iterator[SpanCollector]:
    """A collector on a free port until the block ends."""
    with SpanCollector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
