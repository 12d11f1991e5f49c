"""Callbacks that record the metrics of a version: batches, failures, admission."""

from collections.abc import Callable

from service.batching.admission import AdmissionController
from service.batching.batcher import BatchCallbacks
from service.batching.latency_model import LatencyModel
from service.repository.version import ModelVersion
from service.telemetry.metrics import Metrics


def of_batches(version: ModelVersion, metrics: Metrics) -> BatchCallbacks:
    """Return the callbacks for the version's batcher."""
    batches, labels = metrics.batches, version.labels
    images, sizes = metrics.models.images.labels(*labels), batches.sizes.labels(*labels)
    seconds = batches.seconds.labels(*labels)

    def observe(size: int, took_s: float) -> None:
        images.inc(size)
        sizes.observe(size)
        seconds.observe(took_s)

    return BatchCallbacks(observe, batches.failures.labels(*labels).inc, batches.preemptions.labels(*labels).inc)


def of_dense(version: ModelVersion, metrics: Metrics) -> BatchCallbacks:
    """Return the callbacks for the version's dense queue."""
    images = metrics.models.images.labels(*version.labels)

    def observe(size: int, took_s: float) -> None:
        images.inc(size)
        metrics.batches.dense_seconds.labels(*version.labels).observe(took_s)

    return BatchCallbacks(observe, metrics.batches.failures.labels(*version.labels).inc)


def admission(
    version: ModelVersion,
    forecast: LatencyModel,
    max_queue: int,
    metrics: Metrics,
    on_interactive: Callable[[int], object] = lambda _images: None,
) -> AdmissionController:
    """Return the admission controller of a version, with its metrics connected."""
    errors = metrics.models.latency_prediction_errors.labels(*version.labels)
    door = AdmissionController(max_queue, forecast, errors.observe, on_interactive)
    metrics.models.pending.labels(*version.labels).set_function(lambda: door.inside)
    return door
