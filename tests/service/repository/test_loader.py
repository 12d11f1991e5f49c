"""A version is loaded into a deployment with its own batcher, admission control and metrics."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from models.contract import Bundle, read_bundle
from service.engine.profile import LoadedEngine, Profile
from service.engine.session import EngineRejected
from service.repository.loader import Loader, ModelLimits
from service.repository.version import Deployment, ModelVersion
from service.telemetry.metrics import Metrics
from service.types import Priority, ReadyPixels
from tests.support.bundles import write_bundle
from tests.support.deployments import DENSE_LIMITS, profile
from tests.support.engines import GatedEngine

LABELS = {"model": "colours", "version": "1"}


@pytest.fixture
async def version(tmp_path: Path) -> AsyncIterator[ModelVersion]:
    version = ModelVersion(read_bundle(write_bundle(tmp_path)))
    yield version
    if version.serving is not None:
        await version.serving.stop()


@pytest.fixture
def engine() -> GatedEngine:
    return GatedEngine(provider="gated", classes=3)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def serving_of(version: ModelVersion) -> Deployment:
    assert version.serving is not None
    return version.serving


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, LABELS | labels)


def loader(prepare: Callable[[Bundle, Profile | None], LoadedEngine], metrics: Metrics) -> Loader:
    return Loader(prepare, ModelLimits(max_queue=8, dense=DENSE_LIMITS), metrics)


async def test_a_loaded_version_is_ready_with_the_values_of_its_profile(
    version: ModelVersion, engine: GatedEngine, metrics: Metrics
) -> None:
    """The deployment has the measured batch size, and the metrics say on which provider the version answers."""
    await loader(lambda _bundle, _profile: LoadedEngine(engine, profile(), False, decodes=True), metrics).load(
        version, None
    )
    serving = serving_of(version)
    assert (serving.max_batch_size, serving.precision, serving.decodes) == (4, "fp32", True)
    assert (serving.engine.provider, serving.engine.concurrency) == ("gated", 1)
    assert serving.admission.forecast.expected_s(0) == 0.005


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (EngineRejected("golden image red.png is off by 0.5"), "golden image red.png is off by 0.5"),
        (OSError("/secret/model.onnx"), "OSError while loading; the log has the cause"),
    ],
)
async def test_a_version_that_cannot_be_loaded_fails_with_the_reason(
    version: ModelVersion, metrics: Metrics, error: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Clients see the reason of a rejection, but not the text of an unexpected error, which is only in the log."""

    def prepare(_bundle: Bundle, _profile: Profile | None) -> LoadedEngine:
        raise error

    assert await loader(prepare, metrics).load(version, None) == reason
    assert version.serving is None
    assert str(error) in caplog.text


async def test_batches_and_places_of_a_version_are_in_its_metrics(
    version: ModelVersion, engine: GatedEngine, metrics: Metrics
) -> None:
    """Admitted images, images in the queue, completed batches and preemptions carry the labels of the version."""
    await loader(lambda _bundle, _profile: LoadedEngine(engine, profile(), False), metrics).load(version, None)
    serving = serving_of(version)
    black = ReadyPixels(np.zeros(version.manifest.input.shape, np.uint8))
    bulk = asyncio.create_task(serving.batcher.submit(black, priority=Priority.BULK))
    await engine.entered.wait()
    with serving.admission.admit(2, deadline_s=1):
        images = [asyncio.create_task(serving.batcher.submit(black)) for _ in range(2)]
        await asyncio.sleep(0)
        assert value(metrics, "snellen_pending_images") == 2
        assert value(metrics, "snellen_queue_depth") == 2
        engine.release()
        await asyncio.gather(*images)
    await bulk
    assert value(metrics, "snellen_pending_images") == value(metrics, "snellen_queue_depth") == 0
    assert value(metrics, "snellen_preempted_batches_total") == 1
    assert value(metrics, "snellen_images_total") == 3
    assert value(metrics, "snellen_batch_size_count") == value(metrics, "snellen_batch_seconds_count") == 2


async def test_work_after_loading_is_done_once_and_then_known(
    version: ModelVersion, engine: GatedEngine, metrics: Metrics
) -> None:
    """The engine may get more threads for single images then, which the deployment reports."""
    calls: list[int] = []

    def after_all_loaded() -> None:
        calls.append(len(calls))
        engine.single_image_threads = 2

    loading = loader(
        lambda _bundle, _profile: LoadedEngine(engine, profile(), False, after_all_loaded=after_all_loaded), metrics
    )
    await loading.load(version, None)
    version.state = "ready"
    assert serving_of(version).engine.single_image_threads == 1
    for _ in range(2):
        await loading.after_all_loaded()
    assert (calls, serving_of(version).engine.single_image_threads) == ([0], 2)


async def test_a_version_serves_although_the_work_after_loading_fails(
    version: ModelVersion, engine: GatedEngine, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    """The version stays ready and answers, and the log has the error."""

    def after_all_loaded() -> None:
        raise MemoryError("no second session")

    loading = loader(
        lambda _bundle, _profile: LoadedEngine(engine, profile(), False, after_all_loaded=after_all_loaded), metrics
    )
    await loading.load(version, None)
    version.state = "ready"
    await loading.after_all_loaded()
    engine.release()
    answer = await serving_of(version).batcher.submit(ReadyPixels(np.full(version.manifest.input.shape, 2, np.uint8)))
    assert answer.probabilities.argmax() == 2
    assert "no second session" in caplog.text


async def test_the_work_after_loading_is_left_out_for_a_version_that_another_process_refused(
    version: ModelVersion, engine: GatedEngine, metrics: Metrics
) -> None:
    """It is open here and never became ready."""
    calls = list[int]()
    loading = loader(
        lambda _bundle, _profile: LoadedEngine(engine, profile(), False, after_all_loaded=lambda: calls.append(1)),
        metrics,
    )
    await loading.load(version, None)
    await loading.after_all_loaded()
    assert calls == []


async def test_nothing_of_an_unloaded_version_is_left(
    version: ModelVersion, engine: GatedEngine, metrics: Metrics
) -> None:
    """Neither its engine nor its metrics; unloading it twice does nothing."""
    loading = loader(lambda _bundle, _profile: LoadedEngine(engine, profile(), False), metrics)
    await loading.load(version, None)
    assert value(metrics, "snellen_images_total") == 0
    for _ in range(2):
        await loading.unload(version)
    assert (version.serving, engine.closed) == (None, True)
    assert value(metrics, "snellen_images_total") is None
