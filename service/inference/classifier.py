"""The main use case: decode images, run them, select classes, within a deadline. Independent of HTTP and of ONNX."""

import asyncio
import contextlib
from collections.abc import Coroutine
from functools import partial
from typing import Any, NamedTuple, TypeVar

from models.contract import Manifest
from service.batching.admission import Admitted
from service.batching.dense_queue import DenseQueue
from service.decoding.decode import Decoded
from service.decoding.decoder import DecoderPool
from service.errors import DeadlineExceeded, EmptyBody, ServiceError, released
from service.inference import dense, postprocess
from service.inference.request import ClassifyRequest
from service.inference.results import Classification
from service.repository.registry import Registry
from service.repository.version import Deployment, ModelVersion
from service.types import EngineResult, Priority, ReadyPixels

T = TypeVar("T")


class Timing(NamedTuple):
    """Seconds by stage."""

    decode: float = 0.0
    queue: float = 0.0
    infer: float = 0.0


class Timed(NamedTuple):
    """The result for one image, how long it took, and the number of images in the batch with which it was run."""

    classification: Classification
    timing: Timing
    batch_size: int


class Classified(NamedTuple):
    """One result or error per image, in order.

    For several images, each stage time is that of the slowest image, and `batch_size` that of the largest batch.
    batch_size: 0 where no image was run.
    """

    version: ModelVersion
    results: list[Classification | ServiceError]
    timing: Timing
    batch_size: int


class Classifier:
    """Answers requests with the models of a registry."""

    def __init__(self, registry: Registry, decoder: DecoderPool) -> None:
        self._registry = registry
        self._decoder = decoder
        self._bulk_turn = asyncio.Semaphore(1)  # one decode at a time for bulk images, so that cores stay free

    async def classify(self, request: ClassifyRequest) -> Classified:
        """Classify the images of one request.

        Raises any ServiceError that concerns the whole request, and the error of the image if the request has only one.
        """
        version, serving = self._serving(request)
        admission, queued = _admit(request, serving, len(request.images))
        with admission as admitted, queued:
            try:
                results = await self._within_deadline(request, version, serving)
            except DeadlineExceeded:
                admitted.answered()
                raise
            if not request.dense and not any(isinstance(result, ServiceError) for result in results):
                admitted.answered()
        return Classified(version, *_split_results(results))

    def check(self, request: ClassifyRequest) -> None:
        """Check that a request with these options and one image would be admitted now; its images are not looked at.

        Raises the ServiceError with which `classify` would refuse it.
        """
        _, serving = self._serving(request)
        admission, queued = _admit(request, serving, images=1)
        with admission, queued:
            pass

    def version_of(self, request: ClassifyRequest) -> ModelVersion:
        """Return the version that a request is for. Raises ModelNotFound, VersionNotFound, NotReady."""
        return self._registry.find(request.model, request.version)

    def _serving(self, request: ClassifyRequest) -> tuple[ModelVersion, Deployment]:
        """Return the version that answers, and its deployment. Raises the ServiceError of an option it has not."""
        version = self.version_of(request)
        serving = version.ready()
        _check(request, version.manifest)
        return version, serving

    async def _within_deadline(
        self, request: ClassifyRequest, version: ModelVersion, serving: Deployment
    ) -> list[Timed | ServiceError]:
        works = [self._classify_image(image, request, version, serving) for image in request.images]
        try:
            async with asyncio.timeout(request.deadline_s):
                return [await works[0]] if len(works) == 1 else await _together(works)
        except TimeoutError:
            raise DeadlineExceeded(
                f"no answer within {request.deadline_s * 1000:.0f} ms; raise X-Deadline-Ms, or send less at a time"
            ) from None

    async def _classify_image(
        self, image: bytes | ServiceError, request: ClassifyRequest, version: ModelVersion, serving: Deployment
    ) -> Timed | ServiceError:
        """Classify one image. Returns its error as a value, so that the other images of the request are answered."""
        manifest = version.manifest
        try:
            if isinstance(image, ServiceError):
                return image
            if not image:
                raise EmptyBody("this image has no bytes; send the whole file")
            if request.dense:
                return await self._classify_densely(image, request, manifest, serving.dense_queue)
            return await self._classify_at_input_size(image, request, manifest, serving)
        except ServiceError as error:
            return released(error)

    async def _classify_at_input_size(
        self, image: bytes, request: ClassifyRequest, manifest: Manifest, serving: Deployment
    ) -> Timed:
        """Classify one image of the model's own size.

        An image that is quick to decode is decoded in the engine's thread, just before it is run. Bulk images are not,
        unless they are tiny: interactive images would wait for their decoding.
        """
        interactive = request.priority is Priority.INTERACTIVE
        target, preprocessing = manifest.input, manifest.preprocessing
        submit = partial(
            serving.batcher.submit, class_map=request.heatmap, priority=request.priority, client=request.client
        )
        payload = self._decoder.defer(image, target, preprocessing, tiny_only=not (serving.decodes and interactive))
        if payload is None:
            turn = contextlib.nullcontext() if interactive else self._bulk_turn
            async with turn:
                decoded = await self._decoder.decode(image, target, preprocessing)
            answer = await submit(ReadyPixels(decoded.pixels))
        else:
            with contextlib.closing(payload):
                answer = await submit(payload)
            decoded = payload.decoded
        timing = Timing(answer.decode_s or decoded.seconds, answer.queue_s, answer.infer_s)
        classification = _classification(answer, decoded, request, manifest)
        best = classification.classes[0]
        serving.answers.observe(int(best), float(answer.probabilities[best]), classification.unfamiliar)
        return Timed(classification, timing, answer.batch_size)

    async def _classify_densely(
        self, image: bytes, request: ClassifyRequest, manifest: Manifest, dense_queue: DenseQueue
    ) -> Timed:
        """Classify one image in its own resolution."""
        limits = dense_queue.limits
        async with dense_queue.slot() as queue_s:
            decoded = await self._decoder.decode(image, manifest.input, manifest.preprocessing, limits.max_pixels)
            shape = dense.shape_of(decoded.pixels, manifest, request.top_k, limits.max_predictions)
            prediction, infer_s = await dense_queue.run(decoded.pixels)
            result = await asyncio.to_thread(dense.result, prediction, shape, manifest, request.top_k)
        return Timed(result, Timing(decoded.seconds, queue_s, infer_s), batch_size=1)


def _admit(
    request: ClassifyRequest, serving: Deployment, images: int
) -> tuple[Admitted, contextlib.AbstractContextManager[object]]:
    """Return the contexts that admit the images of a request: of all requests, and of those with `dense`."""
    queued = serving.dense_queue.admit(images, request.client) if request.dense else contextlib.nullcontext()
    return serving.admission.admit(images, request.deadline_s, request.priority, request.client), queued


async def _together(works: list[Coroutine[Any, Any, T]]) -> list[T]:
    """Return the results of all. When one raises, cancel the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        while tasks:  # tasks that this frame still held would form a cycle with the traceback of an error
            tasks.pop().cancel()


def _check(request: ClassifyRequest, manifest: Manifest) -> None:
    """Reject options that this model does not support, before any work is done."""
    if request.top_k is not None:
        postprocess.check_top_k(request.top_k, manifest)
    if request.heatmap:
        postprocess.check_class_map(manifest)
    if request.dense:
        dense.require_dense(manifest)
    if request.coverage is not None:
        postprocess.coverage_threshold(request.coverage, manifest)


def _split_results(results: list[Timed | ServiceError]) -> tuple[list[Classification | ServiceError], Timing, int]:
    """Split results from times and batch size. Raises the error of the image if the request has only one."""
    if len(results) == 1:
        if isinstance(results[0], ServiceError):
            raise results[0]
        only = results[0]
        return [only.classification], only.timing, only.batch_size
    timed = [result for result in results if not isinstance(result, ServiceError)]
    times = [each.timing for each in timed] or [Timing()]
    slowest = Timing(*(max(stage) for stage in zip(*times, strict=True)))
    largest = max((each.batch_size for each in timed), default=0)
    return [r if isinstance(r, ServiceError) else r.classification for r in results], slowest, largest


def _classification(
    answer: EngineResult, decoded: Decoded, request: ClassifyRequest, manifest: Manifest
) -> Classification:
    row, coverage, class_map = answer.probabilities, request.coverage, answer.class_map
    return Classification(
        row,
        postprocess.top(row, request.top_k or postprocess.DEFAULT_TOP_K),
        coverage,
        None if coverage is None else postprocess.prediction_set(row, coverage, manifest),
        None if class_map is None else postprocess.heatmap(row, class_map, decoded.size, manifest),
        energy=answer.energy,
        unfamiliar=postprocess.unfamiliar(answer.energy, manifest),
    )
