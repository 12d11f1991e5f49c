"""Spans are made of what was measured, and never delay a request, whatever the collector does."""

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from service.telemetry.otel_variables import OtelVariables
from service.telemetry.trace_context import TraceContext
from service.telemetry.tracing import RequestSpan, Tracing, stage_times

CALLER = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", 1, (("rojo", "1"),))
STAGES = {"receive": 0.001, "decode": 0.002, "queue": 0.003, "infer": 0.004, "total": 0.011}
ATTRIBUTES: dict[str, str | int] = {"http.request.method": "POST", "snellen.model": "imagenet"}


class Counts:
    """Numbers of spans by what became of them."""

    def __init__(self) -> None:
        self.counter = Counter[str]()

    def __call__(self, result: str, spans: int) -> None:
        self.counter[result] += spans


class Collector(SpanExporter):
    """A collector that can be held up or fail."""

    def __init__(self) -> None:
        self.open, self.busy = threading.Event(), threading.Event()
        self.result = SpanExportResult.SUCCESS
        self.error: Exception | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.busy.set()
        self.open.wait()
        if self.error is not None:
            raise self.error
        return self.result


@pytest.fixture(autouse=True)
def _logger_of_the_library() -> Iterator[None]:
    """The logger of the library is as it was afterwards."""
    library = logging.getLogger("opentelemetry")
    before = library.handlers, library.propagate
    yield
    library.handlers, library.propagate = before


def end(span: RequestSpan, route: str = "/v1/classify", status: int = 200) -> None:
    span.end(route, status, ATTRIBUTES, STAGES, batch_size=8)


def spans_of(caller: TraceContext | None, route: str = "/v1/classify", status: int = 200) -> dict[str, ReadableSpan]:
    """The spans of one request by name."""
    exporter, counts = InMemorySpanExporter(), Counts()
    tracing = Tracing(OtelVariables(), counts, exporter)
    end(tracing.begin("POST", caller), route, status)
    tracing.close()
    found = exporter.get_finished_spans()
    assert counts.counter["sent"] == len(found)
    return {span.name: span for span in found}


def test_a_request_has_a_span_and_its_stages_have_theirs() -> None:
    """In the trace of the caller, with the times that were measured."""
    spans = spans_of(CALLER)
    assert spans.keys() == {"POST /v1/classify", "receive", "decode", "queue", "infer"}
    request = spans.pop("POST /v1/classify")
    assert request.kind is SpanKind.SERVER
    assert request.parent is not None
    assert request.parent.span_id == int(CALLER.span_id, 16)
    assert request.parent.is_remote
    assert request.attributes is not None
    assert dict(request.attributes) == ATTRIBUTES | {"http.route": "/v1/classify", "http.response.status_code": 200}
    assert request.status.status_code is StatusCode.UNSET
    for name, span in spans.items():
        assert span.parent is not None
        assert span.context is not None
        assert span.parent.span_id == request.get_span_context().span_id  # type: ignore[union-attr]
        assert span.context.trace_id == int(CALLER.trace_id, 16)
        assert span.context.trace_state["rojo"] == "1"
        assert dict(span.attributes or {}) == ({"snellen.batch_size": 8} if name == "infer" else {})
    assert request.resource.attributes["service.name"] == "snellen"


def test_the_variables_name_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of its own name."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "photos")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    (span,) = spans_of(None, status=404).keys() & {"POST /v1/classify"}
    found = spans_of(None)[span].resource.attributes
    assert (found["service.name"], found["deployment.environment.name"]) == ("photos", "test")


def test_a_failed_request_is_an_error() -> None:
    """For the service only if the fault is not the client's."""
    assert spans_of(None, status=503)["POST /v1/classify"].status.status_code is StatusCode.ERROR
    assert spans_of(None, status=422)["POST /v1/classify"].status.status_code is StatusCode.UNSET
    assert "POST" in spans_of(None, "unmatched", 404)


def test_a_trace_that_the_caller_does_not_sample_has_no_spans() -> None:
    """But ids, and the response says that nothing is recorded."""
    counts = Counts()
    tracing = Tracing(OtelVariables(), counts, InMemorySpanExporter())
    span = tracing.begin("POST", CALLER._replace(flags=0))
    assert span.trace_id == CALLER.trace_id
    assert span.response_header == f"00-{CALLER.trace_id}-{span.span_id}-00"
    end(span)
    tracing.close()
    assert not counts.counter


def test_a_request_without_caller_begins_a_trace() -> None:
    """With an id of its own; probes have no spans unless their caller has a trace."""
    tracing = Tracing(OtelVariables(), Counts(), InMemorySpanExporter())
    first, second = (tracing.begin("POST", None) for _ in range(2))
    tracing.close()
    assert len({first.trace_id, second.trace_id}) == 2
    assert not spans_of(None, "/readyz")
    assert "POST /readyz" in spans_of(CALLER, "/readyz")


def test_what_the_queue_does_not_hold_is_dropped_and_counted() -> None:
    """While a collector does not answer; no request waits for it."""
    collector, counts = Collector(), Counts()
    tracing = Tracing(OtelVariables(most_waiting=20, batch_size=5, delay_s=0.01), counts, collector)
    end(tracing.begin("POST", None))
    assert collector.busy.wait(10)
    for _ in range(10):
        end(tracing.begin("POST", None))
    assert counts.counter == {"dropped": 5 * 7}
    collector.open.set()
    tracing.close()
    assert counts.counter == {"dropped": 5 * 7, "sent": 5 * 4}


def test_the_log_says_once_that_the_collector_is_lost_and_found(caplog: pytest.LogCaptureFixture) -> None:
    """With the reason; the lost spans are counted."""
    caplog.set_level(logging.INFO)
    collector, counts = Collector(), Counts()
    collector.open.set()
    tracing = Tracing(OtelVariables(delay_s=0.001), counts, collector)

    def send(result: str, total: int) -> None:
        end(tracing.begin("POST", None))
        for _ in range(1000):
            if counts.counter[result] == total:
                return
            threading.Event().wait(0.01)
        raise AssertionError(counts.counter)

    collector.error = OSError("no route")
    send("failed", 5)
    collector.error, collector.result = None, SpanExportResult.FAILURE
    send("failed", 10)
    collector.result = SpanExportResult.SUCCESS
    send("sent", 5)
    tracing.close()
    assert caplog.messages == [
        "spans do not reach the collector, and are lost: OSError: no route",
        "spans reach the collector again",
    ]


def test_the_end_does_not_wait_for_a_collector(caplog: pytest.LogCaptureFixture) -> None:
    """Longer than two seconds."""
    collector = Collector()
    tracing = Tracing(OtelVariables(delay_s=0.001), Counts(), collector)
    end(tracing.begin("POST", None))
    tracing.close()
    assert caplog.messages == ["5 spans were not sent before the end"]
    collector.open.set()


@pytest.mark.parametrize(
    ("stages", "times"),
    [
        ({}, []),
        ({"receive": 2e-8, "decode": 0.0, "infer": 3e-8, "total": 1e-7}, [("receive", 0, 20), ("infer", 20, 50)]),
        ({"decode": 9e-8, "queue": 9e-8}, [("decode", 0, 90), ("queue", 10, 100)]),
        ({"infer": 1.0}, [("infer", 0, 100)]),
    ],
)
def test_stages_lie_inside_the_request(stages: dict[str, float], times: list[tuple[str, int, int]]) -> None:
    """One after the other, as long as they took."""
    assert list(stage_times(stages, 0, 100)) == times
