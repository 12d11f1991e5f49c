"""A registry over real bundles whose versions run on an engine of the test, without ONNX Runtime."""

from pathlib import Path

from service.batching.dense_queue import DenseLimits
from service.engine.profile import BatchSeconds, LoadedEngine, Measurement, Profile
from service.repository.loader import Loader, ModelLimits
from service.repository.registry import Registry
from service.telemetry.metrics import Metrics
from service.types import Engine

DENSE_LIMITS = DenseLimits(max_pixels=40_000, max_predictions=100, max_queue=2)


def profile(batch_size: int = 4) -> Profile:
    """Return a profile with 5 ms for a batch of one image and 10 ms for the largest."""
    chosen = Measurement(
        precision="fp32", provider="cpu", concurrency=1, threads_per_batch=1, batch_size=batch_size, seconds=0.010
    )
    points = (BatchSeconds(1, 0.005), BatchSeconds(batch_size, 0.010))
    return Profile(chosen=chosen, points=points, alone_s=0.005, reason="made for tests", tried=(chosen,))


def registry_of(repository: Path, engine: Engine, metrics: Metrics | None = None, max_queue: int = 8) -> Registry:
    """Return a registry whose versions are not loaded yet; all of them will run on `engine`.

    The provider of the engine must not be `cpu`, so that its batches are not run in the event loop.
    """
    loader = Loader(
        lambda _bundle, _profile: LoadedEngine(engine, profile(), cached=True),
        ModelLimits(max_queue, DENSE_LIMITS),
        metrics or Metrics(),
    )
    return Registry(repository, "colours", loader)
