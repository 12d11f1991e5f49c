"""What is around every request."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.api.request_context import RequestContextMiddleware
from service.telemetry.health import Health
from service.telemetry.log_lines import RequestIds, current_request
from service.telemetry.metrics import Metrics
from service.telemetry.trace_context import TraceContext

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = (b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())


async def never(_scope: Scope, _receive: Receive, _send: Send) -> None:
    await asyncio.Event().wait()


async def no_message() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def test_a_request_cut_off_by_the_drains_limit_is_told_so() -> None:
    """503 and when to come back, instead of a bare 500."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/classify", "headers": []}
    request = asyncio.create_task(
        RequestContextMiddleware(never, Metrics().requests, access_log=False, health=Health())(scope, no_message, send)
    )
    await asyncio.sleep(0)
    request.cancel()
    await request
    assert sent[0]["status"] == 503
    assert (b"retry-after", b"1") in sent[0]["headers"]
    assert json.loads(sent[1]["body"])["type"] == "/problems/not-ready"


class Answering:
    """An application that knows the model and the key of a request, and remembers what the log would say meanwhile."""

    def __init__(self) -> None:
        self.ids: RequestIds | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.ids = current_request.get()
        scope["state"] |= {"model": "imagenet", "version": 1, "key_name": "shop", "images": 1, "batch_size": 4}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Span:
    """A span that records how it was ended."""

    trace_id, span_id, response_header = TRACE, "00f067aa0ba902b7", "00-the-header"

    def __init__(self) -> None:
        self.ended: list[Any] = []

    def end(self, *arguments: Any) -> None:
        self.ended.append(arguments)


class Spans:
    """Makes one span, and records for which caller."""

    def __init__(self) -> None:
        self.span = Span()
        self.callers: list[TraceContext | None] = []

    def begin(self, method: str, caller: TraceContext | None) -> Span:
        self.callers.append(caller)
        return self.span


async def answer(
    *headers: tuple[bytes, bytes], tracing: Spans | None = None, **scope: Any
) -> tuple[RequestIds | None, Mapping[bytes, bytes]]:
    """What the log would say during one request, and the headers of the response."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    application = Answering()
    around = RequestContextMiddleware(
        application, Metrics().requests, access_log=True, health=Health(), tracing=tracing
    )
    request = {"type": "http", "method": "GET", "path": "/a b", "headers": list(headers), "client": ("192.0.2.7", 1)}
    await around(request | scope, no_message, send)
    return application.ids, dict(sent[0]["headers"])


@pytest.fixture
def fields(caplog: pytest.LogCaptureFixture) -> Any:
    """The fields of the only line of the access log."""
    caplog.set_level(logging.INFO, "service.access")
    return lambda: getattr(caplog.records[0].msg, "fields")  # noqa: B009 - a record's message has the type of a text


async def test_the_ids_of_a_request_are_known_to_its_lines(fields: Any) -> None:
    """The trace is the caller's, where the service makes no span; afterwards the lines are of no request."""
    ids, headers = await answer((b"x-request-id", b"abc"), PARENT)
    assert ids == RequestIds("abc", TRACE)
    assert b"traceresponse" not in headers
    assert current_request.get() is None
    assert (fields()["request_id"], fields()["trace_id"]) == ("abc", TRACE)


@pytest.mark.parametrize("parents", [(), (PARENT, PARENT), ((b"traceparent", b"rubbish\r\nforged"),)])
async def test_a_request_without_valid_trace_has_none(parents: tuple[tuple[bytes, bytes], ...], fields: Any) -> None:
    """It is answered as any other."""
    ids, _ = await answer(*parents)
    assert ids is not None
    assert (len(ids.request_id), ids.trace_id) == (32, None)
    assert "trace_id" not in fields()


async def test_a_span_is_made_where_traces_are_on(fields: Any) -> None:
    """Its ids are in the log and in the response, and it gets what is known of the request."""
    tracing = Spans()
    ids, headers = await answer(PARENT, (b"tracestate", b"rojo=1"), tracing=tracing)
    assert tracing.callers == [TraceContext(TRACE, SPAN, 1, (("rojo", "1"),))]
    assert ids == RequestIds(fields()["request_id"], TRACE, Span.span_id)
    assert headers[b"traceresponse"] == b"00-the-header"
    assert fields()["span_id"] == Span.span_id
    ((route, status, attributes, stages, batch_size),) = tracing.span.ended
    assert (route, status, stages.keys(), batch_size) == ("unmatched", 200, {"total"}, 4)
    assert attributes == {
        "http.request.method": "GET",
        "url.path": "/a%20b",
        "url.scheme": "http",
        "client.address": "192.0.2.7",
        "snellen.request_id": ids.request_id,
        "snellen.key": "shop",
        "snellen.model": "imagenet",
        "snellen.version": 1,
        "snellen.images": 1,
    }


async def test_the_access_log_has_the_path_as_it_was_sent(fields: Any) -> None:
    """With its escapes and without the query; and who asked, with which key."""
    await answer(raw_path=b"/a%0a\xff?secret=1", path="/a\n")
    assert fields()["path"] == "/a%0a\xff"
    assert (fields()["client"], fields()["key"], fields()["model"], fields()["version"]) == (
        "192.0.2.7",
        "shop",
        "imagenet",
        1,
    )
