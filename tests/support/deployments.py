"""A registry over real bundles whose versions run on an engine of the test, without ONNX Runtime."""

from pathlib import Path

from service.batching.dense_queue import DenseLimits
from service.build import local_loader
from service.engine.profile import BatchSeconds, LoadedEngine, Measurement, Profile
from service.repository.checker import VersionChecker
from service.repository.lifecycle import Lifecycle
from service.repository.loader import Loader, ModelLimits
from service.repository.registry import Registry, VersionLoader
from service.settings import Settings
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


class LoadableRegistry(Registry):
    """A registry, with the lifecycle of a service of one process that decides what it serves."""

    def __init__(self, lifecycle: Lifecycle, repository: Path, loader: VersionLoader, metrics: Metrics) -> None:
        super().__init__(repository, loader, lifecycle.state, metrics.models, retire_limit_s=10)
        self.lifecycle = lifecycle

    async def load(self) -> None:
        """Serve what the folder holds."""
        await self.lifecycle.start(self)


def loadable(
    repository: Path,
    default_model: str | None = None,
    loader: VersionLoader | None = None,
    metrics: Metrics | None = None,
) -> LoadableRegistry:
    """Return a registry that serves nothing yet. loader: by default the one of the service. Raises RepositoryError."""
    settings, metrics = Settings(models=repository), metrics or Metrics()
    lifecycle = Lifecycle(repository, default_model, VersionChecker(settings, cores=1, copies=1))
    return LoadableRegistry(lifecycle, repository, loader or local_loader(settings, metrics), metrics)


def registry_of(
    repository: Path, engine: Engine, metrics: Metrics | None = None, max_queue: int = 8
) -> LoadableRegistry:
    """Return a registry whose versions are not loaded yet; all of them will run on `engine`.

    The provider of the engine must not be `cpu`, so that its batches are not run in the event loop.
    """
    metrics = metrics or Metrics()
    loader = Loader(
        lambda _bundle, _profile: LoadedEngine(engine, profile(), cached=True),
        ModelLimits(max_queue, DENSE_LIMITS),
        metrics,
    )
    return loadable(repository, "colours", loader, metrics)
