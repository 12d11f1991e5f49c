"""The way of a request: checked, admitted, decoded, run, within its deadline."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from PIL import Image

from models.contract import FORMATS, Input, Preprocessing
from service.decoding.decode import Decoded, DecodeLimits
from service.decoding.decoder import DecoderPool
from service.decoding.worker import WorkerLimits
from service.errors import (
    CorruptImage,
    DeadlineExceeded,
    EmptyBody,
    EngineFailure,
    InvalidOption,
    MalformedBody,
    NoClassMap,
    NotCalibrated,
    NotDense,
    NotReady,
    QueueFull,
    ServiceError,
)
from service.inference.classifier import Classified, Classifier
from service.inference.request import ClassifyRequest
from service.repository.registry import Registry
from service.repository.version import Deployment
from service.settings import MIB
from service.telemetry.metrics import Metrics
from service.types import Priority
from tests.support.bundles import change_manifest, write_bundle
from tests.support.deployments import registry_of
from tests.support.engines import GatedEngine
from tests.support.pictures import encoded, picture

LABELS = {"model": "colours", "version": "1"}


def shade(value: int) -> bytes:
    """Return a tiny image; GatedEngine is certain that it is of the class `value`."""
    return picture((value, value, value), (8, 8))


def large(value: int) -> bytes:
    """Return an image that is too large to be decoded by the thread that runs the engine, but not for a thread."""
    return encoded(Image.new("RGB", (900, 900), (value, value, value)))


class CountingPool(DecoderPool):
    """A pool that records how many images were being decoded at a time, at most."""

    now = most = 0

    async def decode(
        self, body: bytes, target: Input, preprocessing: Preprocessing, dense_pixels: int | None = None
    ) -> Decoded:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            return await super().decode(body, target, preprocessing, dense_pixels)
        finally:
            self.now -= 1


@pytest.fixture
def engine() -> GatedEngine:
    return GatedEngine(provider="gated", classes=3)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def registry(tmp_path: Path, engine: GatedEngine, metrics: Metrics) -> AsyncIterator[Registry]:
    """One version, colours/1, of at most eight images at a time."""
    write_bundle(tmp_path)
    registry = registry_of(tmp_path, engine, metrics)
    await registry.load()
    yield registry
    engine.release()
    await registry.close()


@pytest.fixture
def serving(registry: Registry) -> Deployment:
    return registry.find().ready()


@pytest.fixture
async def decoder() -> AsyncIterator[CountingPool]:
    """Up to three images at a time, each decoded in this process."""
    pool = CountingPool(3, DecodeLimits(FORMATS, 1_000_000), WorkerLimits(1.0, 1024 * MIB), lambda: None)
    yield pool
    await pool.stop()


@pytest.fixture
def classifier(registry: Registry, decoder: CountingPool) -> Classifier:
    return Classifier(registry, decoder)


def classes(classified: Classified) -> list[int | type[Exception]]:
    """Return the most probable class of each image, or the type of its error."""
    return [
        type(each) if isinstance(each, ServiceError) else int(each.probabilities.argmax())
        for each in classified.results
    ]


async def started(engine: GatedEngine, classifier: Classifier, request: ClassifyRequest) -> "asyncio.Task[Classified]":
    """Return a request whose batch waits in the engine."""
    task = asyncio.create_task(classifier.classify(request))
    await engine.entered.wait()
    return task


async def test_images_are_answered_in_their_order(engine: GatedEngine, classifier: Classifier) -> None:
    """Each image gets its own result, whether it is decoded by the engine's thread or by the pool."""
    engine.release()
    classified = await classifier.classify(ClassifyRequest([shade(2), large(0), shade(1)]))
    assert classified.version.name == "colours/1"
    assert classes(classified) == [2, 0, 1]


async def test_images_count_as_admitted_until_their_request_is_answered(
    engine: GatedEngine, classifier: Classifier, serving: Deployment
) -> None:
    """Two images take two of the eight places while they run, and none afterwards."""
    request = await started(engine, classifier, ClassifyRequest([shade(0), shade(1)]))
    assert serving.admission.inside == 2
    engine.release()
    await request
    assert serving.admission.inside == 0


async def test_a_request_beyond_the_limit_is_refused_on_arrival(
    engine: GatedEngine, classifier: Classifier, serving: Deployment
) -> None:
    """A request with more images than places are free is refused as a whole, and the running one is answered."""
    running = await started(engine, classifier, ClassifyRequest([shade(0), shade(1)]))
    with pytest.raises(QueueFull, match="2 of 8 images"):
        await classifier.classify(ClassifyRequest([shade(2)] * 7))
    assert serving.admission.inside == 2
    engine.release()
    assert classes(await running) == [0, 1]


@pytest.mark.parametrize("images", [[shade(0)], [shade(0), shade(1)]], ids=["one image", "several images"])
async def test_a_failed_batch_frees_the_places_of_its_images(
    engine: GatedEngine, classifier: Classifier, serving: Deployment, metrics: Metrics, images: Sequence[bytes]
) -> None:
    """The engine's failure is raised for one image, and a value for each of several; the forecast ignores it."""
    engine.failures = 2
    engine.release()
    if len(images) == 1:
        with pytest.raises(EngineFailure):
            await classifier.classify(ClassifyRequest(images))
    else:
        assert classes(await classifier.classify(ClassifyRequest(images))) == [EngineFailure, EngineFailure]
    assert serving.admission.inside == 0
    assert observed(metrics) == 0


async def test_a_cancelled_request_frees_the_places_of_its_images(
    engine: GatedEngine, classifier: Classifier, serving: Deployment
) -> None:
    """A client that disconnects while its images run holds no place any more."""
    request = await started(engine, classifier, ClassifyRequest([shade(0), shade(1)]))
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert serving.admission.inside == 0


@pytest.mark.parametrize("images", [[shade(0)], [shade(0), shade(1)]], ids=["one image", "several images"])
async def test_a_passed_deadline_ends_the_request_and_corrects_the_forecast(
    classifier: Classifier, serving: Deployment, metrics: Metrics, images: Sequence[bytes]
) -> None:
    """The engine does not answer within the deadline, so later requests are forecast to take longer."""
    before = serving.admission.forecast.expected_s(0)
    with pytest.raises(DeadlineExceeded, match="no answer within 50 ms"):
        await classifier.classify(ClassifyRequest(images, deadline_s=0.050))
    assert serving.admission.inside == 0
    assert serving.admission.forecast.expected_s(0) > before
    assert observed(metrics) == 1


async def test_an_answer_corrects_the_forecast(engine: GatedEngine, classifier: Classifier, metrics: Metrics) -> None:
    """Each request whose images are all answered is one observation."""
    engine.release()
    await classifier.classify(ClassifyRequest([shade(0), shade(1)]))
    await classifier.classify(ClassifyRequest([shade(0)]))
    assert observed(metrics) == 2


def observed(metrics: Metrics) -> float | None:
    """Return how many answers were compared with their forecast."""
    return metrics.registry.get_sample_value("snellen_latency_prediction_error_seconds_count", LABELS)


async def test_one_bad_image_of_several_does_not_disturb_the_others(
    engine: GatedEngine, classifier: Classifier, metrics: Metrics
) -> None:
    """A damaged image, an empty one and one that could not be read are errors in their places."""
    engine.release()
    unreadable = MalformedBody("images.3 is not base64")
    images: list[bytes | ServiceError] = [shade(1), shade(0)[:-30], b"", unreadable, shade(2)]
    classified = await classifier.classify(ClassifyRequest(images))
    assert classes(classified) == [1, CorruptImage, EmptyBody, MalformedBody, 2]
    assert observed(metrics) == 0


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (shade(0)[:-30], CorruptImage),
        (b"", EmptyBody),
        (MalformedBody("images.0 is not base64"), MalformedBody),
    ],
)
async def test_the_error_of_a_single_image_is_raised(
    classifier: Classifier, serving: Deployment, image: bytes | ServiceError, error: type[Exception]
) -> None:
    """A request with one image has no result beside the error."""
    with pytest.raises(error):
        await classifier.classify(ClassifyRequest([image]))
    assert serving.admission.inside == 0


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (ClassifyRequest([large(0)], top_k=4), InvalidOption),
        (ClassifyRequest([large(0)], coverage=0.7), NotCalibrated),
        (ClassifyRequest([large(0)], heatmap=True), NoClassMap),
        (ClassifyRequest([large(0)], dense=True), NotDense),
    ],
    ids=["top_k", "coverage", "heatmap", "dense"],
)
async def test_an_option_that_the_model_does_not_support_is_refused_before_any_work(
    tmp_path: Path, engine: GatedEngine, decoder: CountingPool, request_: ClassifyRequest, error: type[Exception]
) -> None:
    """A model of three classes without class maps decodes and runs no image of such a request."""
    change_manifest(write_bundle(tmp_path), class_map=False)
    registry = registry_of(tmp_path, engine)
    await registry.load()
    with pytest.raises(error):
        await Classifier(registry, decoder).classify(request_)
    assert (decoder.most, engine.made) == (0, 0)
    engine.release()
    await registry.close()


@pytest.mark.parametrize(("priority", "at_a_time"), [(Priority.BULK, 1), (Priority.INTERACTIVE, 3)])
async def test_bulk_images_are_decoded_one_at_a_time(
    engine: GatedEngine, classifier: Classifier, decoder: CountingPool, priority: Priority, at_a_time: int
) -> None:
    """Cores stay free for interactive images, which are decoded as many at a time as there are threads."""
    engine.release()
    classified = await classifier.classify(ClassifyRequest([large(value) for value in range(3)], priority=priority))
    assert classes(classified) == [0, 1, 2]
    assert decoder.most == at_a_time


async def test_optional_parts_are_returned_only_when_requested(engine: GatedEngine, classifier: Classifier) -> None:
    """A result has top_k classes, and a prediction set and a heatmap if the request asks for them."""
    engine.release()
    (plain,) = (await classifier.classify(ClassifyRequest([shade(1)], top_k=2))).results
    (full,) = (await classifier.classify(ClassifyRequest([shade(1)], heatmap=True, coverage=0.5))).results
    assert not isinstance(plain, ServiceError)
    assert not isinstance(full, ServiceError)
    assert (plain.classes.tolist(), plain.prediction_set, plain.heatmap) == ([1, 0], None, None)
    assert full.classes.tolist() == [1, 0, 2]
    assert (full.coverage, full.prediction_set is not None and full.prediction_set.tolist()) == (0.5, [1])
    assert full.heatmap is not None
    assert (full.heatmap.class_id, full.heatmap.values) == (1, [[1.0]])


async def test_a_version_that_is_not_loaded_is_not_ready(
    tmp_path: Path, engine: GatedEngine, decoder: CountingPool
) -> None:
    """Requests are refused while the model is being loaded, without decoding their images."""
    write_bundle(tmp_path)
    with pytest.raises(NotReady, match="colours/1 is being loaded"):
        await Classifier(registry_of(tmp_path, engine), decoder).classify(ClassifyRequest([large(0)]))
    assert decoder.most == 0
