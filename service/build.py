"""Builds the loader of a process that runs the networks itself, from the settings."""

from functools import partial

from models.contract import Bundle, Precision, usable_cores
from service.batching.dense_queue import DenseLimits
from service.engine.profile import LoadedEngine, Profile
from service.engine.providers import ON_CPU
from service.engine.tuning.autotune import autotune
from service.engine.tuning.candidates import TuningOptions
from service.engine.tuning.latency_session import MAX_THREADS, add_latency_session
from service.engine.tuning.profile_cache import default_folder
from service.repository.loader import EngineFactory, Loader, ModelLimits
from service.settings import Settings
from service.telemetry.metrics import Metrics


def local_loader(settings: Settings, metrics: Metrics, cores: int | None = None) -> Loader:
    """Return the loader. cores: number of cores for this process, None for all."""
    return Loader(engine_factory(settings, cores or usable_cores()), limits_of(settings), metrics)


def limits_of(settings: Settings) -> ModelLimits:
    dense = DenseLimits(settings.max_dense_pixels, settings.max_dense_predictions, settings.max_dense_queue)
    return ModelLimits(settings.max_queue, dense)


def tuning_options(settings: Settings, cores: int) -> TuningOptions:
    """Return the options of tuning: what the settings fix, and what tuning decides."""
    return TuningOptions(
        providers=settings.providers,
        strict=settings.strict,
        precision=None if settings.precision == "auto" else Precision(settings.precision),
        concurrency=settings.concurrency,
        threads_per_batch=settings.threads_per_batch,
        max_batch_size=settings.max_batch_size,
        cores=cores,
        latency_s=settings.max_batch_latency_ms / 1000,
        budget_s=settings.tune_s,
        cache=settings.profile_cache or default_folder(),
    )


def engine_factory(settings: Settings, cores: int) -> EngineFactory:
    """Return the function that makes engines."""
    return partial(
        _prepared,
        wanted=tuning_options(settings, cores),
        single_image_threads=settings.single_image_threads or min(cores, MAX_THREADS),
        decoders=min(cores, settings.decode_threads),
    )


def _prepared(
    bundle: Bundle, given: Profile | None, wanted: TuningOptions, single_image_threads: int, decoders: int
) -> LoadedEngine:
    """Return the tuned engine of a bundle.

    given: the profile of a process that checked the bundle before, None to tune here. decoders: threads that would
    decode if the engine does not.
    """
    found = autotune(bundle, wanted, given, warm_up=given is None)
    engine = found.engine
    decodes = engine.provider in ON_CPU and engine.threads_per_batch == 1 and engine.concurrency >= decoders
    return LoadedEngine(
        *found, decodes, after_all_loaded=partial(add_latency_session, bundle, found, single_image_threads)
    )
