"""The loader of a process that runs the networks itself, as the settings want it."""

from models.contract import Bundle, Precision
from service.dense_lane import DenseLimits
from service.engine import EngineOptions
from service.loading import Limits, Loader, Prepare, Prepared
from service.metrics import Metrics
from service.processes import simulated
from service.settings import Settings, usable_cores


def own_loader(settings: Settings, metrics: Metrics, cores: int | None = None) -> Loader:
    """cores: of this process, all by default."""
    options = EngineOptions(
        settings.providers, settings.strict, settings.threads_per_batch, settings.concurrency, cores or usable_cores()
    )
    return Loader(options, limits_of(settings), metrics, settings.precision, _simulation())


def limits_of(settings: Settings) -> Limits:
    dense = DenseLimits(settings.max_dense_pixels, settings.max_dense_predictions, settings.max_dense_queue)
    return Limits(settings.max_batch_size, settings.max_queue, dense)


def _simulation() -> Prepare | None:
    """For tests and benchmarks: a device that only takes its time."""
    if (profile := simulated.wanted()) is None:
        return None

    def prepare(bundle: Bundle, _precision: Precision, _options: EngineOptions, _limits: Limits) -> Prepared:
        return simulated.prepared(bundle, profile)

    return prepare
