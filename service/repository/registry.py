"""The models and versions of the repository folder, the default model, and the default version of each model."""

import asyncio
import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from models.contract import MANIFEST, BundleError, find_bundles, passed_over, read_bundle, readable_bundles
from service.errors import ModelNotFound, NotReady, VersionNotFound
from service.heap import return_free_memory
from service.repository.served_versions import ServedVersions
from service.repository.version import ModelVersion

logger = logging.getLogger(__name__)

USUAL_DEFAULT = "imagenet"
"""Default model when the settings name none and there are several models, one of them of this name."""
_MOST_REASONS = 20
"""Folders that are named, with their reasons, where no bundle can be read."""


class RepositoryError(Exception):
    """The repository folder cannot be served. The message says what to change."""


class RepositoryChanged(RepositoryError):
    """The folder no longer holds the versions that the other processes of the service have verified and serve."""


class VersionLoader(Protocol):
    """Loads versions into deployments, in this process or in another one."""

    async def load(self, version: ModelVersion) -> None:
        """Load a version. Afterwards it is ready, or failed with the reason."""
        ...

    async def after_all_loaded(self) -> None:
        """Run the parts of loading that can wait until all versions are loaded."""
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

        served: the versions that the other processes serve, None if there are none. Only these versions are read, and
        they must be unchanged.
        Raises RepositoryError when there is no bundle or no default model, RepositoryChanged when a version has
        changed.
        """
        self._loader = loader
        self._served = served
        self._models: dict[str, list[ModelVersion]] = {}
        self.unreadable: dict[str, str] = {}
        self._broken = set[str]()
        for path in find_bundles(repository):
            self._read(path)
        if served is not None and (difference := served.difference(self._hashes)):
            raise RepositoryChanged(difference)
        if not os.path.isdir(repository):
            raise RepositoryError(f"there is no folder {repository}; name the folder of the bundles with --models")
        self._note_passed_over(repository)
        if not self._models:
            reasons = [f"\n  {name}: {reason}" for name, reason in self.unreadable.items()]
            more = [f"\n  and {len(reasons) - _MOST_REASONS} more"] if len(reasons) > _MOST_REASONS else []
            raise RepositoryError(
                f"no bundle <name>/<version>/manifest.json can be read in {repository}; see --models"
                + "".join(reasons[:_MOST_REASONS] + more)
            )
        for name, reason in self.unreadable.items():
            logger.warning("%s is passed over: %s", name, reason)
        self.default_model = self._default(default_model) if served is None else served.default_model
        self.loading = True

    def _read(self, path: Path) -> None:
        """Read one bundle, or record why it cannot be read.

        Names are unique: a bundle has the name of the folder that holds it.
        """
        try:
            bundle = read_bundle(path)
        except BundleError as error:
            self.unreadable[_as_text(f"{path.parent.name}/{path.name}")] = str(error)
            self._broken.add(path.parent.name)
            return
        version = ModelVersion(bundle)
        if self._served is not None:
            if version.name not in self._served.hashes:
                self.unreadable[version.name] = "was added after the service started; restart it to serve this version"
                return
            if version.name in self._served.failed:
                version.state = "failed"
                version.reason = "it was refused when the service started; restart it to try again"
        self._models.setdefault(bundle.manifest.name, []).append(version)

    def _note_passed_over(self, repository: Path) -> None:
        for name, reason in passed_over(repository).items():
            if name not in self.unreadable:
                self.unreadable[_as_text(name)] = reason
                if os.path.exists(repository / name / MANIFEST):  # false where the folder may not be entered
                    self._broken.add(name.split("/")[0])

    def _default(self, wanted: str | None) -> str | None:
        """Return the default model, None if there are several and none is named. Raises RepositoryError.

        A model counts although its bundles cannot be read: no other model answers in its place.
        """
        names = {*self._models, *self._broken}
        if wanted is None:
            usual = USUAL_DEFAULT if USUAL_DEFAULT in names else None
            return next(iter(names)) if len(names) == 1 else usual
        if wanted not in names:
            known = ", ".join(sorted(self._models))
            raise RepositoryError(f"the default model {wanted!r} is not there; set --default-model to one of {known}")
        return wanted

    async def load(self) -> None:
        """Verify, warm up and start every version, those of the default model first.

        A failed version records its reason.
        """
        versions = sorted(self, key=lambda version: version.manifest.name != self.default_model)
        for version in versions:
            if version.state == "loading":
                await self._loader.load(version)
        self.loading = False
        await self._loader.after_all_loaded()
        await asyncio.to_thread(return_free_memory)

    async def close(self) -> None:
        for version in self:
            if version.serving is not None:
                await version.serving.stop()

    @property
    def versions_now(self) -> ServedVersions:
        """The versions that were read, and those of them that have been rejected so far."""
        failed = frozenset(version.name for version in self if version.state == "failed")
        return ServedVersions(self._hashes, failed, self.default_model)

    @property
    def _hashes(self) -> dict[str, str]:
        return {version.name: version.bundle.sha256 for version in self}

    def __iter__(self) -> Iterator[ModelVersion]:
        return (version for versions in self._models.values() for version in versions)

    def versions(self, model: str) -> list[ModelVersion]:
        """Return the versions of a model, oldest first. Raises ModelNotFound, and NotReady where none can be read."""
        if model in self._broken and model not in self._models:
            reasons = "; ".join(f"{name}: {why}" for name, why in self._unreadable_of(model))
            raise NotReady(f"no version of {model} can be read: {reasons}", retry_after_s=60)
        if model not in self._models:
            raise ModelNotFound(f"there is no model {model[:64]!r}; the models are {', '.join(sorted(self._models))}")
        return self._models[model]

    def find(self, model: str | None = None, version: str | None = None) -> ModelVersion:
        """Return the named version, or else the newest ready one. Raises ModelNotFound, VersionNotFound, NotReady."""
        if (name := model or self.default_model) is None:
            raise ModelNotFound(
                f"no model is named, and none is the default: post to /v1/models/NAME/classify with one of "
                f"{', '.join(sorted(self._models))}, or start the service with --default-model"
            )
        versions = self.versions(name)
        if version is None:
            return next((v for v in reversed(versions) if v.state == "ready"), versions[-1])
        for candidate in versions:
            if str(candidate.manifest.version) == version:
                return candidate
        known = ", ".join(str(v.manifest.version) for v in versions)
        raise VersionNotFound(f"{versions[0].manifest.name} has no version {version[:20]!r}; it has {known}")

    def newer_than(self, version: ModelVersion) -> list[str]:
        """Return why newer versions of the same model do not answer in its place, one sentence each."""
        number, model = version.manifest.version, version.manifest.name
        failed = [
            f"{other.name} was refused at load: {other.reason}"
            for other in self._models[model]
            if other.manifest.version > number and other.state == "failed"
        ]
        broken = [
            f"{name} was passed over: {why}"
            for name, why in self._unreadable_of(model)
            if not (last := name.rpartition("/")[2]).isdecimal() or int(last) > number
        ]
        return failed + broken

    def _unreadable_of(self, model: str) -> list[tuple[str, str]]:
        return [(name, why) for name, why in self.unreadable.items() if name.split("/")[0] == model]


def image_sizes(repository: Path) -> list[int]:
    """Return the bytes of one input image uint8 [H, W, C] for each bundle that can be read."""
    return [math.prod(bundle.manifest.input.shape) for bundle in readable_bundles(repository)]


def _as_text(name: str) -> str:
    """Return the name of a folder as text for JSON. Bytes that are not UTF-8 become \\xNN."""
    return os.fsencode(name).decode(errors="backslashreplace")
