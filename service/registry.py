"""Which bundles and versions are loaded, ready, default; each with its own engine, batcher and gate."""

import asyncio
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from models.contract import Bundle, BundleError, Manifest, find_bundles, read_bundle
from service.admission import Gate
from service.batching import Batcher, Observer
from service.engine import BatchSeconds, EngineOptions, EngineRejected, OnnxEngine, best_batch_size, measure
from service.errors import ModelNotFound, NotReady, VersionNotFound
from service.metrics import Metrics
from service.schemas import State
from service.verification import open_verified

logger = logging.getLogger(__name__)

USUAL_DEFAULT = "imagenet"


class RepositoryError(Exception):
    """The repository folder cannot be served at all; the message says what to change."""


@dataclass(frozen=True)
class Limits:
    """Of each model: see Settings."""

    max_batch_size: int
    max_queue: int


@dataclass(frozen=True)
class Serving:
    """A verified version at work."""

    engine: OnnxEngine
    batcher: Batcher
    gate: Gate
    max_batch_size: int
    profile: list[BatchSeconds]


@dataclass
class Version:
    """One bundle: its manifest, and what became of it here."""

    bundle: Bundle
    state: State = "loading"
    reason: str | None = None
    serving: Serving | None = field(default=None, repr=False)

    @property
    def manifest(self) -> Manifest:
        return self.bundle.manifest

    @property
    def name(self) -> str:
        return f"{self.manifest.name}/{self.manifest.version}"

    @property
    def labels(self) -> tuple[str, str]:
        """Of metrics: model and version."""
        return self.manifest.name, str(self.manifest.version)

    def ready(self) -> Serving:
        """Raises NotReady with the reason."""
        if self.serving is not None:
            return self.serving
        if self.state == "failed":
            raise NotReady(f"{self.name} was refused at load: {self.reason}", retry_after_s=60)
        raise NotReady(f"{self.name} is being loaded; send the request again")


class Registry:
    """The models of one repository folder."""

    def __init__(
        self, repository: Path, default_model: str | None, options: EngineOptions, limits: Limits, metrics: Metrics
    ) -> None:
        """Reads the manifests. Raises RepositoryError when there is no bundle or no default model."""
        self._options, self._limits, self._metrics = options, limits, metrics
        self._models: dict[str, list[Version]] = {}
        self.unreadable: dict[str, str] = {}
        for path in find_bundles(repository):
            self._read(path)
        if not self._models:
            reasons = "".join(f"\n  {name}: {reason}" for name, reason in self.unreadable.items())
            raise RepositoryError(f"no bundle <name>/<version>/manifest.json can be read in {repository}{reasons}")
        self.default_model = self._default(default_model)
        self.loading = True

    def _read(self, path: Path) -> None:
        """Keep the bundle, or why there is none. No two are the same: each has the name of the folder it lies in."""
        try:
            bundle = read_bundle(path)
        except BundleError as error:
            logger.error("%s left out: %s", path, error)
            self.unreadable[_as_text(f"{path.parent.name}/{path.name}")] = str(error)
            return
        self._models.setdefault(bundle.manifest.name, []).append(Version(bundle))

    def _default(self, wanted: str | None) -> str:
        if wanted is None and len(self._models) == 1:
            return next(iter(self._models))
        name = wanted or USUAL_DEFAULT
        if name not in self._models:
            known = ", ".join(sorted(self._models))
            raise RepositoryError(f"the default model {name!r} is not there; set --default-model to one of {known}")
        return name

    async def load(self) -> None:
        """Verify, warm up and start every version, the default model's first; a version that fails says why."""
        versions = sorted(self, key=lambda version: version.manifest.name != self.default_model)
        for version in versions:
            await self._load(version)
        self.loading = False

    async def _load(self, version: Version) -> None:
        try:
            engine, profile = await asyncio.to_thread(_prepare, version.bundle, self._options, self._limits)
        except EngineRejected as error:
            self._refuse(version, str(error))
            logger.error("%s is not served: %s", version.name, error)
            return
        except Exception as error:
            self._refuse(version, f"{type(error).__name__} while loading; the log has the cause")
            logger.exception("%s is not served", version.name)
            return
        version.serving = self._start(version, engine, profile)
        version.state = "ready"
        logger.info(
            "%s is ready on %s: %d at a time, batches up to %d, %.0f images/s measured for one",
            version.name,
            engine.provider,
            engine.concurrency,
            version.serving.max_batch_size,
            max(point.images_per_s for point in profile),
        )

    def _refuse(self, version: Version, reason: str) -> None:
        version.state, version.reason = "failed", reason
        self._metrics.model_ready.labels(*version.labels, "none").set(0)

    def _start(self, version: Version, engine: OnnxEngine, profile: list[BatchSeconds]) -> Serving:
        labels, metrics = version.labels, self._metrics
        sizes, seconds = metrics.batch_size.labels(*labels), metrics.batch_seconds.labels(*labels)
        images, failures = metrics.images.labels(*labels), metrics.engine_failures.labels(*labels)

        def observe(size: int, took_s: float) -> None:
            images.inc(size)
            sizes.observe(size)
            seconds.observe(took_s)

        size = best_batch_size(profile)
        batcher = Batcher(engine, size, self._limits.max_queue, Observer(observe, failures.inc))
        rate = max(point.images_per_s for point in profile) * engine.concurrency
        gate = Gate(self._limits.max_queue, "images of this model", lambda inside: inside / rate)
        metrics.queue_depth.labels(*labels).set_function(lambda: batcher.depth)
        metrics.pending.labels(*labels).set_function(lambda: gate.inside)
        metrics.model_ready.labels(*labels, engine.provider).set(1)
        batcher.start()
        return Serving(engine, batcher, gate, size, profile)

    async def close(self) -> None:
        for version in self:
            if version.serving is not None:
                await version.serving.batcher.stop()

    def __iter__(self) -> Iterator[Version]:
        return (version for versions in self._models.values() for version in versions)

    def versions(self, model: str) -> list[Version]:
        """Oldest first. Raises ModelNotFound."""
        if model not in self._models:
            raise ModelNotFound(f"there is no model {model[:64]!r}; the models are {', '.join(sorted(self._models))}")
        return self._models[model]

    def find(self, model: str | None = None, version: str | None = None) -> Version:
        """The version named, else the newest ready one. Raises ModelNotFound, VersionNotFound."""
        versions = self.versions(model or self.default_model)
        if version is None:
            return next((v for v in reversed(versions) if v.state == "ready"), versions[-1])
        for candidate in versions:
            if str(candidate.manifest.version) == version:
                return candidate
        known = ", ".join(str(v.manifest.version) for v in versions)
        raise VersionNotFound(f"{versions[0].manifest.name} has no version {version[:20]!r}; it has {known}")


def _prepare(bundle: Bundle, options: EngineOptions, limits: Limits) -> tuple[OnnxEngine, list[BatchSeconds]]:
    engine = open_verified(bundle, options)
    try:
        return engine, measure(engine, bundle.manifest.input.shape, limits.max_batch_size)
    except BaseException:
        engine.close()
        raise


def _as_text(name: str) -> str:
    """A folder's name for JSON, its bytes that are no UTF-8 as \\xNN."""
    return os.fsencode(name).decode(errors="backslashreplace")
