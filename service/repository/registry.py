"""The versions that this process serves, and which of them answers a request.

They change in two steps: `prepare` opens what is to become ready, `commit` makes it visible and retires the rest.
"""

import asyncio
import gc
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from models.contract import BundleError, read_bundle
from service.engine.profile import Profile
from service.errors import ModelNotFound, NotReady, VersionNotFound
from service.heap import return_free_memory
from service.repository.state import RepositoryState, VersionRecord
from service.repository.version import ModelVersion
from service.tasks import begin
from service.telemetry.metrics import ModelMetrics

logger = logging.getLogger(__name__)


class VersionLoader(Protocol):
    """Loads versions into deployments, in this process or in another one."""

    async def load(self, version: ModelVersion, profile: Profile | None) -> str | None:
        """Give a version its deployment. Return why it cannot be served, None if it can."""
        ...

    async def after_all_loaded(self) -> None:
        """Run the parts of loading that can wait until all versions are loaded."""
        ...

    async def unload(self, version: ModelVersion) -> None:
        """Stop the deployment of a version, and remove what is left of it, such as its metrics."""
        ...


class Registry:
    """The models of one repository folder, in one process."""

    def __init__(
        self,
        repository: Path,
        loader: VersionLoader,
        state: RepositoryState,
        metrics: ModelMetrics,
        retire_limit_s: float,
    ) -> None:
        """Create a registry that serves nothing before the first commit.

        state: what will be prepared first; until then its versions are shown as `warming`. retire_limit_s: time for the
        accepted requests of a version that retires.
        """
        self._repository, self._loader, self._metrics = repository, loader, metrics
        self._retire_limit_s = retire_limit_s
        self._known = dict[str, ModelVersion]()
        self._prepared: tuple[RepositoryState, dict[str, ModelVersion]] | None = None
        self._retiring = set[asyncio.Task[None]]()
        self._one_at_a_time = asyncio.Lock()
        self.loading = True
        versions = {name: self._version(record) for name, record in state.versions.items()}
        self._show(state.before_start(), {name: version for name, version in versions.items() if version is not None})

    async def prepare(self, state: RepositoryState) -> Mapping[str, str]:
        """Open the versions that are ready in `state` and not yet here, those of the default model first.

        Changes nothing that clients see. Returns why versions cannot be served, by name.
        """
        async with self._one_at_a_time:
            return await self._prepare(state)

    async def _prepare(self, state: RepositoryState) -> Mapping[str, str]:
        versions, failures = dict[str, ModelVersion](), dict[str, str]()
        for record in sorted(state.versions.values(), key=lambda record: record.model != state.default_model):
            version = await asyncio.to_thread(self._version, record)
            if version is not None:
                versions[record.name] = version
            if record.state != "ready":
                continue
            if version is None:
                failures[record.name] = "its folder does not hold the manifest that was verified"
            elif version.serving is None:
                profile = Profile.model_validate(record.profile) if record.profile is not None else None
                reason = await self._loader.load(version, profile)
                if reason is not None:
                    failures[record.name] = reason
        self._prepared = state, versions
        return failures

    async def commit(self, number: int) -> None:
        """Let clients see the prepared state of this number, at once. Ends when what is no longer ready has retired.

        Raises KeyError when another state was prepared.
        """
        if self._prepared is None or self._prepared[0].number != number:
            raise KeyError(f"state {number} was not prepared")
        (state, versions), self._prepared = self._prepared, None
        self._show(state, versions)
        self.loading = False
        opened = {id(version) for version in versions.values() if version.state == "ready"}
        for identity, version in list(self._known.items()):
            if id(version) not in opened and version.serving is not None:
                begin(self._retired(version), self._retiring)
            if version not in versions.values():
                del self._known[identity]
        await self._loader.after_all_loaded()
        if self._retiring:
            await asyncio.gather(*self._retiring)
            gc.collect()  # a session is held by cycles, and the collector comes seldom where there is little traffic
        await asyncio.to_thread(return_free_memory)

    async def close(self) -> None:
        """Stop all versions."""
        await asyncio.gather(*self._retiring)
        for version in [*self._known.values()]:
            if version.serving is not None:
                await version.serving.stop()

    def _version(self, record: VersionRecord) -> ModelVersion | None:
        """Return the version of a record; None where its folder does not hold its bundle."""
        identity = f"{record.name}@{record.sha256}"
        if identity not in self._known:
            try:
                bundle = read_bundle(self._repository / record.name)
            except BundleError:
                return None
            if bundle.sha256 != record.sha256:
                return None
            self._known[identity] = ModelVersion(bundle)
        return self._known[identity]

    def _show(self, state: RepositoryState, versions: Mapping[str, ModelVersion]) -> None:
        """Let clients see a state. versions: by name, of the records whose bundle can be read."""
        self.state = state
        self._models: dict[str, list[ModelVersion]] = {}
        for record in state.versions.values():
            if (version := versions.get(record.name)) is not None:
                version.state, version.reason = record.state, record.reason
                self._models.setdefault(record.model, []).append(version)
        for of_model in self._models.values():
            of_model.sort(key=lambda version: version.manifest.version)
        self._metrics.show({version.labels: (version.state, version.provider) for version in self})

    async def _retired(self, version: ModelVersion) -> None:
        serving = version.serving
        if serving is not None and not await serving.drained(self._retire_limit_s):
            logger.warning(
                "%s retires although %d images of it are not answered after %g s",
                version.name,
                serving.admission.inside,
                self._retire_limit_s,
            )
        await self._loader.unload(version)

    @property
    def default_model(self) -> str | None:
        return self.state.default_model

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Folders that are not served, and why."""
        return self.state.passed_over

    def __iter__(self) -> Iterator[ModelVersion]:
        return (version for versions in self._models.values() for version in versions)

    def versions(self, model: str) -> list[ModelVersion]:
        """Return the versions of a model, oldest first. Raises ModelNotFound, and NotReady where none can be read."""
        if model in self.state.broken and model not in self._models:
            reasons = "; ".join(f"{name}: {why}" for name, why in self._passed_over_of(model))
            raise NotReady(f"no version of {model} can be read: {reasons}", retry_after_s=60)
        if model not in self._models and (records := self.state.of(model)):
            raise _not_here(records[-1].name)
        if model not in self._models:
            raise ModelNotFound(f"there is no model {model[:64]!r}; the models are {', '.join(sorted(self._models))}")
        return self._models[model]

    def find(self, model: str | None = None, version: str | None = None) -> ModelVersion:
        """Return the named version, or else the default one. Raises ModelNotFound, VersionNotFound, NotReady.

        Where no version of the model is ready, its newest one stands for all.
        """
        if (name := model or self.default_model) is None:
            raise ModelNotFound(
                f"no model is named, and none is the default: post to /v1/models/NAME/classify with one of "
                f"{', '.join(sorted(self._models))}, or start the service with --default-model"
            )
        versions = self.versions(name)
        if version is None:
            return self._default_of(name, versions)
        for candidate in versions:
            if str(candidate.manifest.version) == version:
                return candidate
        if f"{name}/{version}" in self.state.versions:
            raise _not_here(f"{name}/{version}")
        known = ", ".join(str(v.manifest.version) for v in versions)
        raise VersionNotFound(f"{versions[0].manifest.name} has no version {version[:20]!r}; it has {known}")

    def _default_of(self, model: str, versions: list[ModelVersion]) -> ModelVersion:
        default = self.state.defaults.get(model)
        if default is None:
            if not self.loading and self.state.ready(model):
                raise NotReady(self.state.not_followed[model], retry_after_s=60)
            return versions[-1]
        for version in versions:
            if version.manifest.version == default:
                return version
        raise _not_here(f"{model}/{default}")

    def is_default(self, version: ModelVersion) -> bool:
        """Return whether a version answers where only its model is named."""
        return self.state.defaults.get(version.manifest.name) == version.manifest.version

    def concerns(self, version: ModelVersion) -> list[str]:
        """Return what its operators should know of a default version, one sentence each.

        Such as why newer versions of the same model do not answer in its place.
        """
        number, model = version.manifest.version, version.manifest.name
        found = [f"its folder: {version.reason}"] * bool(version.reason)
        found += [reason for name, reason in self.state.not_followed.items() if name == model]
        found += [
            f"{other.name} was refused at load: {other.reason}"
            for other in self._models[model]
            if other.manifest.version > number and other.state == "failed"
        ]
        found += [
            f"{name} was passed over: {why}"
            for name, why in self._passed_over_of(model)
            if not (last := name.rpartition("/")[2]).isdecimal() or int(last) > number
        ]
        return found

    def _passed_over_of(self, model: str) -> list[tuple[str, str]]:
        return [(name, why) for name, why in self.state.passed_over.items() if name.split("/")[0] == model]


def _not_here(name: str) -> NotReady:
    """Return the refusal of a version that others serve, and whose folder has changed before this process began."""
    return NotReady(f"{name} cannot be opened: its folder does not hold the manifest that was verified; try again")
