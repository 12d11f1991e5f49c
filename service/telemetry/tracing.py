"""Spans of requests, sent to a collector by OpenTelemetry. Imported only where `traces` is on.

A span of the request begins with it, so that its id is known to the log and to the response. The spans of the stages
are made from the stage times after the response, in the thread that sends them.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import NamedTuple

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)

from service.telemetry.metrics import STAGES
from service.telemetry.otel_variables import OtelVariables
from service.telemetry.trace_context import TraceContext, traceresponse

logger = logging.getLogger(__name__)

_PROBES = {"/livez", "/readyz", "/metrics"}
"""Routes without spans, unless the caller has a trace: they are asked every few seconds."""
_CLOSE_S = 2.0
"""Seconds that the end of the process waits for the last spans to be sent."""


class RequestSpan:
    """The span of one request.

    trace_id, span_id: 32 and 16 hexadecimal digits. response_header: value of the header `traceresponse`.
    """

    __slots__ = ("_began", "_has_caller", "_put", "_span", "_start_ns", "response_header", "span_id", "trace_id")

    def __init__(self, span: Span, start_ns: int, put: "Callable[[_Ended], None]", *, has_caller: bool) -> None:
        """Create a span that has begun. start_ns: nanoseconds since 1970. put: called with it once it has ended."""
        self._span, self._start_ns, self._put, self._has_caller = span, start_ns, put, has_caller
        self._began = time.perf_counter_ns()
        context = span.get_span_context()
        self.trace_id, self.span_id = format_trace_id(context.trace_id), format_span_id(context.span_id)
        self.response_header = traceresponse(self.trace_id, self.span_id, context.trace_flags)

    def end(
        self,
        route: str,
        status: int,
        attributes: Mapping[str, str | int],
        stages: Mapping[str, float],
        batch_size: int | None,
    ) -> None:
        """End the span. Does not wait for the collector.

        route: path of the API with its parameters, `unmatched` for none. stages: seconds by name. batch_size: images
        that were run together; None where none was.
        """
        if not self._span.is_recording() or (route in _PROBES and not self._has_caller):
            return
        end_ns = self._start_ns + time.perf_counter_ns() - self._began
        self._put(_Ended(self._span, self._start_ns, end_ns, route, status, attributes, stages, batch_size))


class _Ended(NamedTuple):
    """A request whose response has been sent, and from which spans have to be made. Times are in ns since 1970."""

    span: Span
    start_ns: int
    end_ns: int
    route: str
    status: int
    attributes: Mapping[str, str | int]
    stages: Mapping[str, float]
    batch_size: int | None

    @property
    def spans(self) -> int:
        """Number of spans: of the request and of its stages."""
        return 1 + sum(1 for _ in stage_times(self.stages, self.start_ns, self.end_ns))


class Tracing:
    """Makes the spans of requests, and a thread that sends them in batches from a bounded queue."""

    def __init__(
        self, variables: OtelVariables, count: Callable[[str, int], None], exporter: SpanExporter | None = None
    ) -> None:
        """Start the thread.

        count: called with `sent`, `dropped` or `failed` and a number of spans, in any thread. exporter: None for OTLP
        over HTTP, as the variables OTEL_... say.
        """
        self._variables, self._count = variables, count
        self._made = list[ReadableSpan]()
        provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        provider.add_span_processor(_Collect(self._made))
        self._tracer = provider.get_tracer("snellen", version("snellen"))
        self._reason = _LastReason()
        self._exporter = exporter or OTLPSpanExporter()
        self._failing = False
        self._queue = queue.SimpleQueue[_Ended]()
        self._waiting, self._lock = 0, threading.Lock()
        self._wake, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._send_all, name="spans", daemon=True)
        self._thread.start()

    def begin(self, method: str, caller: TraceContext | None) -> RequestSpan:
        """Begin the span of a request now. caller: its parent; None begins a trace of its own."""
        start_ns = time.time_ns()
        span = self._tracer.start_span(method, _context(caller), SpanKind.SERVER, start_time=start_ns)
        return RequestSpan(span, start_ns, self._put, has_caller=caller is not None)

    def close(self) -> None:
        """Send what waits, for at most two seconds, and end the thread."""
        self._closed.set()
        self._wake.set()
        self._thread.join(_CLOSE_S)
        if self._waiting:
            logger.warning("%d spans were not sent before the end", self._waiting)
        self._exporter.shutdown()

    def _put(self, ended: _Ended) -> None:
        """Put a request into the queue, or drop and count its spans."""
        spans = ended.spans
        with self._lock:
            fits = self._waiting + spans <= self._variables.most_waiting
            self._waiting += spans * fits
        if not fits:
            self._count("dropped", spans)
            return
        self._queue.put(ended)
        if self._waiting >= self._variables.batch_size:
            self._wake.set()

    def _send_all(self) -> None:
        while not self._closed.is_set():
            self._wake.wait(self._variables.delay_s)
            self._wake.clear()
            while not self._queue.empty():
                self._send(self._make_batch())

    def _make_batch(self) -> int:
        """Make spans until a batch is full or no request is left, and return how many had been waiting."""
        waited = 0
        while waited < self._variables.batch_size and not self._queue.empty():
            ended = self._queue.get()
            self._make_spans(ended)
            waited += ended.spans
        return waited

    def _make_spans(self, ended: _Ended) -> None:
        matched = ended.route != "unmatched"
        if matched:
            ended.span.update_name(f"{ended.attributes['http.request.method']} {ended.route}")
            ended.span.set_attribute("http.route", ended.route)
        ended.span.set_attributes({**ended.attributes, "http.response.status_code": ended.status})
        if ended.status >= 500:
            ended.span.set_status(StatusCode.ERROR)
        parent = set_span_in_context(ended.span, Context())
        for stage, start_ns, end_ns in stage_times(ended.stages, ended.start_ns, ended.end_ns):
            span = self._tracer.start_span(stage, parent, start_time=start_ns)
            if stage == "infer" and ended.batch_size:
                span.set_attribute("snellen.batch_size", ended.batch_size)
            span.end(end_ns)
        ended.span.end(ended.end_ns)

    def _send(self, waited: int) -> None:
        """Send the spans that were made, and count them; the log says when the collector is lost and found.

        waited: spans that the queue has room for again.
        """
        batch = self._made.copy()
        self._made.clear()
        try:
            sent = self._exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception as error:  # a failure of the exporter must not end the thread
            self._reason.text, sent = f"{type(error).__name__}: {error}", False
        with self._lock:
            self._waiting -= waited
        self._count("sent" if sent else "failed", len(batch))
        if sent and self._failing:
            logger.info("spans reach the collector again")
        elif not sent and not self._failing:
            logger.warning("spans do not reach the collector, and are lost: %s", self._reason.text)
        self._failing = not sent


class _Collect(SpanProcessor):
    """Collects ended spans in a list; called in the thread that sends them."""

    def __init__(self, made: list[ReadableSpan]) -> None:
        self._made = made

    def on_end(self, span: ReadableSpan) -> None:
        """Add a span, unless its trace is not sampled."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._made.append(span)


class _LastReason(logging.Handler):
    """Keeps why the exporter could not send, instead of a line for each of its attempts."""

    def __init__(self) -> None:
        super().__init__()
        self.text = self._attempt = ""
        library = logging.getLogger("opentelemetry")
        library.handlers, library.propagate = [self], False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep an error, with the warning of the attempt before it."""
        if record.levelno < logging.ERROR:
            self._attempt = record.getMessage()
        else:
            self.text = f"{record.getMessage()} {self._attempt}".strip()


def stage_times(stages: Mapping[str, float], start_ns: int, end_ns: int) -> Iterator[tuple[str, int, int]]:
    """Yield name, begin and end of each stage that took time, laid one after the other from the start of the request.

    The lengths are measured, the order is the usual one; of several images each length is that of the slowest one, and
    a stage that would end after the request is moved back.
    """
    begin = start_ns
    for stage in STAGES[:-1]:
        length = min(round(stages.get(stage, 0.0) * 1e9), end_ns - start_ns)
        if length > 0:
            begin = min(begin, end_ns - length)
            yield stage, begin, begin + length
            begin += length


def _context(caller: TraceContext | None) -> Context:
    """Return the context of the caller in the form of the SDK."""
    if caller is None:
        return Context()
    parent = SpanContext(
        int(caller.trace_id, 16),
        int(caller.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(caller.flags),
        trace_state=TraceState(caller.state),
    )
    return set_span_in_context(NonRecordingSpan(parent), Context())


def _resource() -> Resource:
    """Return the service's name and version, beside what the variables say; a name of theirs wins."""
    found = Resource.create({SERVICE_VERSION: version("snellen")})
    named = not str(found.attributes.get(SERVICE_NAME, "unknown_service")).startswith("unknown_service")
    return found if named else found.merge(Resource({SERVICE_NAME: "snellen"}))
