"""What a version's parts tell its metrics: batches, failures, and what is let in."""

from collections.abc import Callable

from service.batching.admission import Admission
from service.batching.batcher import Observer
from service.batching.latency_model import Forecast
from service.repository.version import Version
from service.telemetry.metrics import Metrics


def of_batches(version: Version, metrics: Metrics) -> Observer:
    """For its batcher."""
    batches, labels = metrics.batches, version.labels
    images, sizes = metrics.models.images.labels(*labels), batches.sizes.labels(*labels)
    seconds = batches.seconds.labels(*labels)

    def observe(size: int, took_s: float) -> None:
        images.inc(size)
        sizes.observe(size)
        seconds.observe(took_s)

    return Observer(observe, batches.failures.labels(*labels).inc, batches.preemptions.labels(*labels).inc)


def of_dense(version: Version, metrics: Metrics) -> Observer:
    """For images that are run alone, at their own scale."""
    images = metrics.models.images.labels(*version.labels)

    def observe(size: int, took_s: float) -> None:
        images.inc(size)
        metrics.batches.dense_seconds.labels(*version.labels).observe(took_s)

    return Observer(observe, metrics.batches.failures.labels(*version.labels).inc)


def admission(
    version: Version,
    forecast: Forecast,
    max_queue: int,
    metrics: Metrics,
    on_urgent: Callable[[int], object] = lambda _images: None,
) -> Admission:
    """The door of one version."""
    errors = metrics.models.forecast_errors.labels(*version.labels)
    door = Admission(max_queue, forecast, errors.observe, on_urgent)
    metrics.models.pending.labels(*version.labels).set_function(lambda: door.inside)
    return door
