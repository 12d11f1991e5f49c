"""The main use case: decode images, run them, select classes, within a deadline. Independent of HTTP and of ONNX."""

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from typing import Any, NamedTuple, TypeVar

from models.contract import Manifest
from service.batching.dense_queue import DenseQueue
from service.decoding.decode import Decoded
from service.decoding.decoder import DecoderPool
from service.errors import DeadlineExceeded, EmptyBody, ServiceError, released
from service.inference import dense, postprocess
from service.inference.image_pipeline import ImagePipeline
from service.inference.request import ClassifyRequest
from service.inference.results import Classification
from service.repository.registry import Registry
from service.repository.version import Deployment, ModelVersion
from service.types import EngineResult

T = TypeVar("T")


class Timing(NamedTuple):
    """Seconds by stage."""

    decode: float = 0.0
    queue: float = 0.0
    infer: float = 0.0


Timed = tuple[Classification, Timing]


class Classified(NamedTuple):
    """One result or error per image, in order. For several images, each stage time is that of the slowest image."""

    version: ModelVersion
    results: list[Classification | ServiceError]
    timing: Timing


class Classifier:
    """Answers requests with the models of a registry."""

    def __init__(self, registry: Registry, decoder: DecoderPool) -> None:
        self._registry = registry
        self._decoder = decoder
        self._network = ImagePipeline(decoder)

    async def classify(self, question: ClassifyRequest) -> Classified:
        """Classify the images of one request.

        Raises any ServiceError that concerns the whole request, and the error of the image if the request has only one.
        """
        version = self._registry.find(question.model, question.version)
        serving = version.ready()
        _check(question, version.manifest)
        images = len(question.images)
        lane = serving.lane.hold(images) if question.dense else contextlib.nullcontext()
        with serving.admission.admit(images, question.deadline_s, question.priority) as admitted, lane:
            try:
                results = await self._within_deadline(question, version, serving)
            except DeadlineExceeded:
                admitted.answered()
                raise
            if not question.dense and not any(isinstance(result, ServiceError) for result in results):
                admitted.answered()
        return Classified(version, *_apart(results))

    async def _within_deadline(
        self, question: ClassifyRequest, version: ModelVersion, serving: Deployment
    ) -> list[Timed | ServiceError]:
        deadline = time.monotonic() + question.deadline_s
        try:
            works = [self._one(image, question, version, serving, deadline) for image in question.images]
            return [await works[0]] if len(works) == 1 else await _together(works)
        except TimeoutError:
            raise DeadlineExceeded(
                f"no answer within {question.deadline_s * 1000:.0f} ms; raise X-Deadline-Ms, or send less at a time"
            ) from None

    async def _one(
        self,
        image: bytes | ServiceError,
        question: ClassifyRequest,
        version: ModelVersion,
        serving: Deployment,
        deadline: float,
    ) -> Timed | ServiceError:
        """Classify one image. Returns its error as a value, so that the other images of the request are answered."""
        manifest = version.manifest
        try:
            if isinstance(image, ServiceError):
                return image
            if not image:
                raise EmptyBody("this image has no bytes; send the whole file")
            if question.dense:
                async with asyncio.timeout(deadline - time.monotonic()):
                    return await self._dense(image, question, manifest, serving.lane)
            decoded, answer = await self._network.answer(image, question, manifest, serving, deadline)
        except ServiceError as error:
            return released(error)
        except TimeoutError as late:
            raise released(late)  # noqa: B904  `from` would keep the cause that released() removes
        timing = Timing(decoded.seconds, answer.queue_s, answer.infer_s)
        return _classification(answer, decoded, question, manifest), timing

    async def _dense(self, image: bytes, question: ClassifyRequest, manifest: Manifest, lane: DenseQueue) -> Timed:
        """Classify one image in its own resolution."""
        limits = lane.limits
        async with lane.turn() as queue_s:
            decoded = await self._decoder.decode(image, manifest.input, manifest.preprocessing, limits.max_pixels)
            shape = dense.shape_of(decoded.pixels, manifest, question.top_k, limits.max_predictions)
            prediction, infer_s = await lane.run(decoded.pixels)
            result = await asyncio.to_thread(dense.result, prediction, shape, manifest, question.top_k)
        return result, Timing(decoded.seconds, queue_s, infer_s)


async def _together(works: list[Coroutine[Any, Any, T]]) -> list[T]:
    """Return the results of all. When one raises, cancel the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _check(question: ClassifyRequest, manifest: Manifest) -> None:
    """Reject options that this model does not support, before any work is done."""
    if question.top_k is not None:
        postprocess.check_top_k(question.top_k, manifest)
    if question.heatmap:
        postprocess.check_class_map(manifest)
    if question.dense:
        dense.require_dense(manifest)
    if question.coverage is not None:
        postprocess.coverage_threshold(question.coverage, manifest)


def _apart(results: list[Timed | ServiceError]) -> tuple[list[Classification | ServiceError], Timing]:
    """Split results from times. Raises the error of the image if the request has only one."""
    if len(results) == 1:
        if isinstance(results[0], ServiceError):
            raise results[0]
        return [results[0][0]], results[0][1]
    times = [result[1] for result in results if not isinstance(result, ServiceError)] or [Timing()]
    slowest = Timing(*(max(stage) for stage in zip(*times, strict=True)))
    return [result if isinstance(result, ServiceError) else result[0] for result in results], slowest


def _classification(
    answer: EngineResult, decoded: Decoded, question: ClassifyRequest, manifest: Manifest
) -> Classification:
    row, coverage, class_map = answer.probabilities, question.coverage, answer.class_map
    return Classification(
        row,
        postprocess.top(row, question.top_k or postprocess.DEFAULT_TOP_K),
        coverage,
        None if coverage is None else postprocess.prediction_set(row, coverage, manifest),
        None if class_map is None else postprocess.heatmap(row, class_map, decoded.size, manifest),
    )
