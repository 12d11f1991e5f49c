"""The endpoint of `classify`: read the body, call the classifier, send the response."""

import asyncio
import contextlib
import math
import time
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from starlette.types import Receive, Scope, Send

from service.access.api_keys import ApiKey
from service.access.client_identity import identity_of
from service.access.rate_limiter import RateLimiter
from service.api.body_reader import BodyReader
from service.api.disconnect import cancel_on_disconnect
from service.api.problems import problem_of
from service.api.refusal_pacing import RefusalPacer
from service.api.v1.body_parser import check_content_type, needs_parsing, parse_body
from service.api.v1.content_encoding import gunzip, is_gzip
from service.api.v1.params import QueryParams, read_all_options, read_deadline, read_options, read_priority
from service.api.v1.rendering import ResponseWriter
from service.batching.admission import Held
from service.errors import DeadlineExceeded, QueueFull, ServiceError, released
from service.inference.classifier import Classified, Classifier
from service.inference.request import ClassifyRequest
from service.repository.version import ModelVersion
from service.types import Priority, client_state_of

_LARGE_FORM = 16 * 1024
"""Size of a form or of JSON, in bytes, from which one of each client is parsed at a time."""
_LARGE_ANSWER = 5_000
"""Number of classes from which on the response is written in a thread, so that other requests are not delayed."""


class ClassifyEndpoint:
    """The ASGI application behind the three paths. It calls the classifier without a web framework."""

    def __init__(
        self,
        classifier: Classifier,
        reader: BodyReader,
        pacer: RefusalPacer,
        max_images: int,
        deadline_s: float,
        rate_limiter: RateLimiter | None = None,
    ) -> None:
        """rate_limiter: None where no client has a limit of images per second."""
        self._classifier = classifier
        self._reader = reader
        self._pacer = pacer
        self._max_images = max_images
        self._rate_limiter = rate_limiter
        self._writers: WeakKeyDictionary[ModelVersion, ResponseWriter] = WeakKeyDictionary()
        self._large_turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._deadline_ms = math.ceil(deadline_s * 1000)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = dict(scope["headers"])
        key, sender = _sender(scope)
        request, length = self._request(scope, head, sender), _length(head)
        zipped = b"content-encoding" in head and is_gzip(head[b"content-encoding"])
        client, state = client_state_of(scope), scope["state"]
        try:
            if self._rate_limiter is not None:  # before the body is read; how many images it holds is not known yet
                self._rate_limiter.take(key, sender, images=1)
            with self._reader.hold(sender) as held:
                started = time.perf_counter()
                content_type = head.get(b"content-type", b"").decode("latin-1")
                if b"expect" in head:  # the client waits with the body; the server answers 100 when it is read
                    self._check_before_body(request, content_type, length or 0)
                body = await self._reader.read(receive, length, held)
                state["stages"]["receive"], state["bytes_in"] = time.perf_counter() - started, len(body)
                work = self._parse_and_classify(body, content_type, request, scope, held if zipped else None)
                del body  # the images hold what is needed of it
                classified, request = await cancel_on_disconnect(client, receive, work)
        except QueueFull as refusal:
            released(refusal)  # the images are not held while the refusal is delayed
            await cancel_on_disconnect(
                client, receive, self._pacer.refuse(request.deadline_s, over_share=refusal.over_share)
            )
            self._note_version(request, state)
            raise
        except ServiceError:
            self._note_version(request, state)
            raise
        self._pacer.answered()
        await self._answer(classified, request, scope, send)

    def _request(self, scope: Scope, head: Mapping[bytes, bytes], sender: int) -> ClassifyRequest:
        """Return the request without its images. Raises RequestValidationError."""
        options, path = read_options(scope["query_string"]), scope["path_params"]
        deadline, priority = head.get(b"x-deadline-ms"), head.get(b"x-priority")
        request = ClassifyRequest(
            images=(),
            model=path.get("model") or scope["state"].get("default_model"),
            version=path.get("version"),
            deadline_s=min(self._deadline_ms, read_deadline(deadline) if deadline else self._deadline_ms) / 1000,
            priority=read_priority(priority) if priority else Priority.INTERACTIVE,
            client=sender,
        )
        return _with_options(request, options)

    def _note_version(self, request: ClassifyRequest, state: dict[str, Any]) -> None:
        """Record the version that a refused request is for, if there is one."""
        with contextlib.suppress(ServiceError):
            manifest = self._classifier.version_of(request).manifest
            state["model"], state["version"] = manifest.name, manifest.version

    def _check_before_body(self, request: ClassifyRequest, content_type: str, length: int) -> None:
        """Raise the error of a request that would be refused whatever its body is.

        Limits of images are checked for one image, as the number is not known yet.
        """
        self._reader.check(length, request.client)
        check_content_type(content_type)
        self._classifier.check(request)

    async def _parse_and_classify(
        self, body: bytes, content_type: str, request: ClassifyRequest, scope: Scope, unzip: Held | None
    ) -> tuple[Classified, ClassifyRequest]:
        """Return the answer, and the request with the options of its body.

        unzip: counts the decompressed bytes of a body that is compressed with gzip; None for other bodies.
        """
        if unzip is None and not needs_parsing(content_type):
            scope["state"]["images"] = 1
            return await self._classifier.classify(request._replace(images=(body,))), request
        ends = time.monotonic() + request.deadline_s
        turn = self._large_turn(request.client) if unzip or len(body) >= _LARGE_FORM else contextlib.nullcontext()
        try:
            async with asyncio.timeout(request.deadline_s), turn:
                if unzip:
                    body = await gunzip(body, self._reader.max_body_bytes, unzip)
                images, options = await parse_body(body, content_type, self._max_images)
        except TimeoutError:
            raise DeadlineExceeded(
                f"the body was not parsed in {request.deadline_s * 1000:.0f} ms; "
                "raise X-Deadline-Ms, or send less at a time"
            ) from None
        del body
        scope["state"]["images"] = len(images)
        if self._rate_limiter is not None and len(images) > 1:
            self._rate_limiter.take(scope["state"].get("api_key"), request.client, images=len(images), counted=1)
        if options:
            request = _with_options(request, read_all_options(scope["query_string"], options))
        left_s = ends - time.monotonic()
        return await self._classifier.classify(request._replace(images=images, deadline_s=left_s)), request

    def _large_turn(self, client: int) -> asyncio.Lock:
        """Return the lock of a client, which is kept while a request of it waits for it or has it.

        One lock for all would let a client with many bodies, each of which takes long to decompress, keep others out.
        """
        lock = self._large_turns.get(client)
        if lock is None:
            lock = self._large_turns[client] = asyncio.Lock()
        return lock

    async def _answer(self, classified: Classified, request: ClassifyRequest, scope: Scope, send: Send) -> None:
        state, root_path = scope["state"], scope.get("root_path", "")
        manifest = classified.version.manifest
        state["stages"] |= classified.timing._asdict()
        state["model"], state["version"] = manifest.name, manifest.version
        state["batch_size"] = classified.batch_size
        state["problems"] += [problem_of(r).type for r in classified.results if isinstance(r, ServiceError)]
        large = request.dense or len(classified.results) * (request.top_k or 1) >= _LARGE_ANSWER
        writer = self._writer_of(classified.version)
        work = (classified, writer, root_path)
        answer = await asyncio.to_thread(_render, *work) if large else _render(*work)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _writer_of(self, version: ModelVersion) -> ResponseWriter:
        writer = self._writers.get(version)
        if writer is None:
            writer = self._writers[version] = ResponseWriter(version.manifest)
        return writer


def _sender(scope: Scope) -> tuple[ApiKey | None, int]:
    """Return the API key of a request, None without one, and the identity of its client."""
    key: ApiKey | None = scope["state"].get("api_key")
    address = scope.get("client")
    return key, identity_of(key, address[0] if address else None)


def _length(head: Mapping[bytes, bytes]) -> int | None:
    """Return Content-Length in bytes; None for a chunked body."""
    length = head.get(b"content-length", b"")
    return int(length) if length.isdigit() else None


def _with_options(request: ClassifyRequest, options: QueryParams) -> ClassifyRequest:
    return request._replace(
        top_k=options.top_k,
        heatmap=options.explain == "heatmap",
        coverage=options.coverage,
        dense=options.dense,
    )


def _render(classified: Classified, writer: ResponseWriter, root_path: str) -> bytes:
    return writer.answer(
        b'{"error":%s}' % problem_of(result, root_path).model_dump_json(exclude_none=True).encode()
        if isinstance(result, ServiceError)
        else writer.result(result)
        for result in classified.results
    )
