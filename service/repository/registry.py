"""Which models and versions there are, which is the default, and which answers when none is named."""

import contextlib
import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from models.contract import BundleError, find_bundles, read_bundle
from service.errors import ModelNotFound, VersionNotFound
from service.repository.served_versions import ServedVersions
from service.repository.version import ModelVersion

logger = logging.getLogger(__name__)

USUAL_DEFAULT = "imagenet"


class RepositoryError(Exception):
    """The repository folder cannot be served at all; the message says what to change."""


class RepositoryChanged(RepositoryError):
    """The folder no longer holds what the other processes of the service have verified and serve."""


class VersionLoader(Protocol):
    """Puts versions to work, here or elsewhere."""

    async def load(self, version: ModelVersion) -> None:
        """Ends with the version ready, or failed with the reason."""
        ...

    async def after_all_loaded(self) -> None:
        """Once all are loaded: what can wait until then."""
        ...


class Registry:
    """The models of one repository folder."""

    def __init__(
        self,
        repository: Path,
        default_model: str | None,
        loader: VersionLoader,
        served: ServedVersions | None = None,
    ) -> None:
        """Read the manifests.

        served: by the other processes, where there are some: just these versions are read, and have to be unchanged.
        Raises RepositoryError when there is no bundle or no default model, RepositoryChanged when one has changed.
        """
        self._loader = loader
        self._served = served
        self._models: dict[str, list[ModelVersion]] = {}
        self.unreadable: dict[str, str] = {}
        for path in find_bundles(repository):
            self._read(path)
        if served is not None and (difference := served.difference(self.versions_now.hashes)):
            raise RepositoryChanged(difference)
        if not self._models:
            reasons = "".join(f"\n  {name}: {reason}" for name, reason in self.unreadable.items())
            raise RepositoryError(
                f"no bundle <name>/<version>/manifest.json can be read in {repository}; see --models{reasons}"
            )
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
        version = ModelVersion(bundle)
        if self._served is not None:
            if version.name not in self._served.hashes:
                self.unreadable[version.name] = "was added after the service started; restart it to serve this version"
                return
            if version.name in self._served.failed:
                version.state, version.reason = (
                    "failed",
                    "it was refused when the service started; restart it to try again",
                )
        self._models.setdefault(bundle.manifest.name, []).append(version)

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
            if version.state == "loading":
                await self._loader.load(version)
        self.loading = False
        await self._loader.after_all_loaded()

    async def close(self) -> None:
        for version in self:
            if version.serving is not None:
                await version.serving.stop()

    @property
    def versions_now(self) -> ServedVersions:
        """What was read, and what of it was refused so far."""
        failed = frozenset(version.name for version in self if version.state == "failed")
        return ServedVersions({version.name: version.bundle.sha256 for version in self}, failed)

    def __iter__(self) -> Iterator[ModelVersion]:
        return (version for versions in self._models.values() for version in versions)

    def versions(self, model: str) -> list[ModelVersion]:
        """Oldest first. Raises ModelNotFound."""
        if model not in self._models:
            raise ModelNotFound(f"there is no model {model[:64]!r}; the models are {', '.join(sorted(self._models))}")
        return self._models[model]

    def find(self, model: str | None = None, version: str | None = None) -> ModelVersion:
        """The version named, else the newest ready one. Raises ModelNotFound, VersionNotFound."""
        versions = self.versions(model or self.default_model)
        if version is None:
            return next((v for v in reversed(versions) if v.state == "ready"), versions[-1])
        for candidate in versions:
            if str(candidate.manifest.version) == version:
                return candidate
        known = ", ".join(str(v.manifest.version) for v in versions)
        raise VersionNotFound(f"{versions[0].manifest.name} has no version {version[:20]!r}; it has {known}")


def image_sizes(repository: Path) -> list[int]:
    """Bytes of an image uint8 [H, W, C] of each bundle that can be read."""
    sizes = []
    for path in find_bundles(repository):
        with contextlib.suppress(BundleError):
            sizes.append(math.prod(read_bundle(path).manifest.input.shape))
    return sizes


def _as_text(name: str) -> str:
    """A folder's name for JSON, its bytes that are no UTF-8 as \\xNN."""
    return os.fsencode(name).decode(errors="backslashreplace")
