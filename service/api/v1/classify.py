"""The endpoint of `classify`: read the body, call the classifier, send the response."""

import asyncio
import math
import time
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from starlette.types import Receive, Scope, Send

from service.api.body_reader import BodyReader
from service.api.disconnect import cancel_on_disconnect
from service.api.problems import problem_of
from service.api.refusal_pacing import RefusalPacer
from service.api.steps import finish, interleave
from service.api.v1.body_parser import EncodedImage, needs_parsing, parse_images
from service.api.v1.params import QueryParams, read_deadline, read_options, read_priority
from service.api.v1.rendering import ResponseWriter
from service.errors import DeadlineExceeded, QueueFull, ServiceError, released
from service.inference.classifier import Classified, Classifier
from service.inference.request import ClassifyRequest
from service.repository.version import ModelVersion
from service.types import Priority, client_state_of

_LARGE_FORM = 16 * 1024
"""Size of a form or of JSON, in bytes, from which it is parsed in steps, one body at a time.

Other requests continue between the steps.
"""
_LARGE_ANSWER = 5_000
"""Number of classes from which on the response is written in a thread, so that other requests are not delayed."""


class ClassifyEndpoint:
    """The ASGI application behind the three paths. It calls the classifier without a web framework."""

    def __init__(
        self, classifier: Classifier, receiver: BodyReader, pacing: RefusalPacer, max_images: int, deadline_s: float
    ) -> None:
        self._classifier = classifier
        self._receiver = receiver
        self._pacing = pacing
        self._max_images = max_images
        self._renderings: WeakKeyDictionary[ModelVersion, ResponseWriter] = WeakKeyDictionary()
        self._large_turn = asyncio.Semaphore(1)
        self._deadline_ms = math.ceil(deadline_s * 1000)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        options, head = read_options(scope["query_string"]), _head(scope)
        deadline_ms = read_deadline(head.deadline) if head.deadline else self._deadline_ms
        deadline_s = min(self._deadline_ms, deadline_ms) / 1000
        try:
            classified = await self._received_and_classified(scope, receive, options, head, deadline_s)
        except QueueFull as refusal:
            released(refusal)  # the images are not held while the refusal is delayed
            await cancel_on_disconnect(client_state_of(scope), receive, self._pacing.refuse(deadline_s))
            raise
        self._pacing.answered()
        await self._answer(classified, options, scope["state"], send)

    async def _received_and_classified(
        self, scope: Scope, receive: Receive, options: QueryParams, head: "RequestHeaders", deadline_s: float
    ) -> Classified:
        path, client = scope["path_params"], client_state_of(scope)
        whole = client is not None and client.sent_all
        async with self._receiver.receive(receive, head.length, whole=whole) as (body, seconds):
            scope["state"]["stages"]["receive"] = seconds
            started = time.monotonic()
            if len(body) < _LARGE_FORM or not needs_parsing(head.content_type):
                images = finish(parse_images(body, head.content_type, self._max_images))
            else:
                parsing = self._parse_in_steps(body, head.content_type, deadline_s)
                images = await cancel_on_disconnect(client, receive, parsing)
                del parsing
            deadline_s -= time.monotonic() - started
            del body  # the images hold what is needed of it
            question = ClassifyRequest(
                images=images,
                model=path.get("model"),
                version=path.get("version"),
                top_k=options.top_k,
                heatmap=options.explain == "heatmap",
                coverage=options.coverage,
                dense=options.dense,
                deadline_s=deadline_s,
                priority=read_priority(head.priority) if head.priority else Priority.INTERACTIVE,
            )
            return await cancel_on_disconnect(client, receive, self._classifier.classify(question))

    async def _answer(self, classified: Classified, options: QueryParams, state: dict[str, Any], send: Send) -> None:
        state["stages"] |= classified.timing._asdict()
        state["problems"] += [problem_of(r).type for r in classified.results if isinstance(r, ServiceError)]
        large = options.dense or len(classified.results) * (options.top_k or 1) >= _LARGE_ANSWER
        rendering = self._rendering_of(classified.version)
        answer = await asyncio.to_thread(_render, classified, rendering) if large else _render(classified, rendering)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _rendering_of(self, version: ModelVersion) -> ResponseWriter:
        rendering = self._renderings.get(version)
        if rendering is None:
            rendering = self._renderings[version] = ResponseWriter(version.manifest)
        return rendering

    async def _parse_in_steps(self, body: bytes, content_type: str, deadline_s: float) -> list[EncodedImage]:
        try:
            async with asyncio.timeout(deadline_s), self._large_turn:
                return await interleave(parse_images(body, content_type, self._max_images))
        except TimeoutError:
            raise DeadlineExceeded(
                f"the body was not parsed in {deadline_s * 1000:.0f} ms; raise X-Deadline-Ms, or send less at a time"
            ) from None


def _render(classified: Classified, rendering: ResponseWriter) -> bytes:
    return rendering.answer(
        [
            _failed(result) if isinstance(result, ServiceError) else rendering.result(result)
            for result in classified.results
        ]
    )


def _failed(error: ServiceError) -> bytes:
    return b'{"error":%s}' % problem_of(error).model_dump_json(exclude_none=True).encode()


class RequestHeaders(NamedTuple):
    """The request headers that the endpoint reads. `length` is Content-Length in bytes."""

    content_type: str
    length: int | None
    deadline: bytes | None
    priority: bytes | None


def _head(scope: Scope) -> RequestHeaders:
    named = dict(scope["headers"])
    length = named.get(b"content-length", b"")
    return RequestHeaders(
        named.get(b"content-type", b"").decode("latin-1"),
        int(length) if length.isdigit() else None,
        named.get(b"x-deadline-ms"),
        named.get(b"x-priority"),
    )
