"""Makes what is served equal to the repository folder, in the only process or in the main process of several.

Everything that may change it, such as the admin API, a signal or the watcher, calls `Lifecycle.reconcile` in the end.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from models.contract import MANIFEST, Bundle
from service.errors import Conflict, ModelNotFound, NotReady, VersionNotFound
from service.repository.checker import Checked, CheckFailed
from service.repository.policy import default_model_of, kept_without_folder, with_defaults
from service.repository.scan import (
    DEFAULT_FILE,
    LATEST,
    RepositoryError,
    fingerprint,
    missing_part,
    require_bundles,
    scan,
)
from service.repository.state import RepositoryState, VersionRecord

logger = logging.getLogger(__name__)

_UNLOADED = "was unloaded by hand; load it with: snellen models load {}"
_OTHER_MANIFEST = (
    "holds another manifest than the one that serves, which is not used: give changed files a new version number, "
    "or unload the version and load it"
)


class Checker(Protocol):
    """Checks a version in a process of its own, before any process that serves opens it."""

    async def check(self, bundle: Bundle, on_warming: Callable[[], None]) -> Checked:
        """Return the measurements of a version. Raises CheckFailed."""
        ...


class Serving(Protocol):
    """The processes that serve. They change in two steps."""

    async def prepare(self, state: RepositoryState) -> Mapping[str, str]:
        """Open what is ready in `state`, unseen by clients. Return why versions cannot be served, by name."""
        ...

    async def commit(self, number: int) -> None:
        """Let clients see the prepared state of this number. Ends when what is no longer ready has retired."""
        ...


@dataclass(frozen=True)
class DefaultSet:
    """The outcome of a change of the default version.

    wanted: `latest` or a number. version: the one that is default now. not_stored: why the choice lasts only until the
    end of the service; None if it is in the folder.
    """

    wanted: str
    version: int
    not_stored: str | None


class Lifecycle:
    """The states of all versions, and the only place where they change. One change at a time.

    The check of a version may take minutes, and other changes, such as a roll-back, do not wait for it.
    """

    def __init__(self, repository: Path, default_model: str | None, checker: Checker, number: int = 1) -> None:
        """Read the repository folder.

        default_model: the one of the settings. number: of the first state. Raises RepositoryError when there is nothing
        to serve.
        """
        self._repository, self._checker = repository, checker
        self._lock = asyncio.Lock()
        """Held while the state changes."""
        self._reconciling = asyncio.Lock()
        """Held from reading the folder until all that it asks for is done, checks included."""
        self._checks = dict[str, asyncio.Task[Checked]]()
        self._unloaded = set[str]()
        self._failed_files = dict[str, object]()
        self._overrides = dict[str, str]()
        self._found = scan(repository)
        require_bundles(self._found, repository)
        self._started = asyncio.Event()
        for name, reason in self._found.passed_over.items():
            logger.warning("%s is passed over: %s", name, reason)
        first = RepositoryState(
            number=number,
            versions={name: VersionRecord(name, each.sha256, "ready") for name, each in self._found.bundles.items()},
            default_model=default_model_of(self._found, default_model),
            passed_over=self._found.passed_over,
            broken=self._found.broken,
        )
        self.state = with_defaults(first, self._found.wanted)

    async def start(self, serving: Serving) -> None:
        """Serve what the folder held at first. Nothing serves yet, so the processes that will do so check it."""
        self._serving = serving
        async with self._lock:
            files = {name: fingerprint(bundle) for name, bundle in self._found.bundles.items()}
            failures = await self._serving.prepare(self.state)
            for name, reason in failures.items():
                self._refuse(name, reason, files[name])
            await self._publish()
            self._started.set()

    @property
    def shown(self) -> RepositoryState:
        """The state as clients see it: before the end of the start, what is to become ready is `warming`."""
        return self.state if self._started.is_set() else self.state.before_start()

    def wanted_of(self, model: str) -> str:
        """Return which version of a model should be the default one: `latest` or a number."""
        return self._overrides.get(model) or self._found.wanted.get(model, LATEST)

    def is_stored(self, model: str) -> bool:
        """Return whether the choice of the default version outlasts the service."""
        return model not in self._overrides

    @property
    def failed(self) -> str:
        """Why no version can be served; empty if one can."""
        records = self.state.versions.values()
        if any(record.state != "failed" for record in records):
            return ""
        return "; ".join(f"{record.name} was refused at load: {record.reason}" for record in records)

    async def reconcile(self) -> RepositoryState:
        """Read the folder, bring up what is new and complete, retire what is gone, and return the new state.

        Waits for the start. Raises RepositoryError, and changes nothing, where the folder cannot be read.
        """
        await self._started.wait()
        async with self._reconciling:
            async with self._lock:
                found = await asyncio.to_thread(scan, self._repository)
                self._found = replace(found, wanted={**self._found.wanted, **found.wanted})
                self._take_up()
                await self._publish()
            for name in [*self.state.versions]:
                await self._bring_up(name)
            async with self._lock:
                await self._retire(self._without_folder())
                return self.state

    async def rescan(self) -> None:
        """Reconcile, for a signal or the watcher: where the folder cannot be read, the error goes to the log only."""
        try:
            await self.reconcile()
        except RepositoryError as error:
            logger.error("nothing is changed: %s", error)

    async def load(self, name: str) -> RepositoryState:
        """Bring up a version that was unloaded, has failed or is new, or all versions of a model.

        Raises ModelNotFound, VersionNotFound, RepositoryError, and Conflict for a folder that is no bundle.
        """
        async with self._lock:
            found = await asyncio.to_thread(scan, self._repository)
            if name in found.passed_over:
                raise Conflict(f"{name} cannot be loaded: {_about('it', found.passed_over[name])}")
            names = _named(name, found.bundles)
            self._unloaded -= names
            for each in names:
                self._failed_files.pop(each, None)
        return await self.reconcile()

    async def unload(self, name: str) -> RepositoryState:
        """Retire a version, or all versions of a model that is not the default one, until they are loaded again.

        Ends the check of one that is not ready yet. Waits for the start. Raises ModelNotFound, VersionNotFound, and
        Conflict for what answers where no version or no model is named.
        """
        await self._started.wait()
        async with self._lock:
            self._require_served(name)
            names = _named(name, self.state.versions)
            model = name.partition("/")[0]
            if names >= {record.name for record in self.state.of(model)} and model == self.state.default_model:
                raise Conflict(f"{model} is the default model and would have no version left; load another one first")
            default = f"{model}/{self.state.defaults.get(model)}"
            if "/" in name and name == default:
                others = [str(number) for number in self.state.ready(model) if f"{model}/{number}" != name]
                if others:
                    advice = f"make another one default first: snellen models default {model} {others[-1]}"
                elif model == self.state.default_model:
                    advice = "load another one first"
                else:
                    advice = f"unload the whole model: snellen models unload {model}"
                raise Conflict(f"{name} is the default version of {model}; {advice}")
            self._unloaded |= names
            for each in names & self._checks.keys():
                self._checks[each].cancel()
            await self._retire(names)
            return self.state

    async def set_default(self, model: str, wanted: str) -> DefaultSet:
        """Make a ready version the default one of its model, or `latest` the rule.

        Stored in the folder of the model, so that it outlasts a restart.
        Waits for the start. Raises ModelNotFound, VersionNotFound, NotReady.
        """
        await self._started.wait()
        async with self._lock:
            _named(model, self.state.versions)
            if wanted != LATEST:
                self._require_served(f"{model}/{wanted}")
                _named(f"{model}/{wanted}", self.state.versions)
                record = self.state.versions[f"{model}/{wanted}"]
                if record.state != "ready":
                    raise NotReady(f"{record.name} is {record.state}: {record.reason or 'wait until it is ready'}", 60)
            elif not self.state.ready(model):
                raise NotReady(f"no version of {model} is ready", 60)
            not_stored = await asyncio.to_thread(_store, self._repository / model / DEFAULT_FILE, wanted)
            if not_stored is None:
                self._overrides.pop(model, None)
                self._found = replace(self._found, wanted={**self._found.wanted, model: wanted})
            else:
                self._overrides[model] = wanted
                logger.warning("the default version of %s lasts until the end of the service: %s", model, not_stored)
            await self._publish()
            return DefaultSet(wanted, self.state.defaults[model], not_stored)

    def _require_served(self, name: str) -> None:
        """Raise VersionNotFound with the reason where a version is in the folder and not served."""
        if name not in self.state.versions and (reason := self.state.passed_over.get(name)) is not None:
            raise VersionNotFound(f"{name} is not served: {_about('it', reason)}")

    def end_checks(self) -> None:
        """End the checks that run, since another lifecycle takes over."""
        for check in self._checks.values():
            check.cancel()

    def _set(self, name: str, **changes: object) -> None:
        """Change the record of a version, and log its new state."""
        before = self.state.versions[name]
        self.state = self.state.with_version(name, **changes)
        record = self.state.versions[name]
        if record.state == "failed":
            logger.error("%s failed and is not served: %s", name, record.reason)
        elif (record.state, record.reason) != (before.state, before.reason):
            logger.info("%s is %s%s", name, record.state, f": {record.reason}" if record.reason else "")

    async def _publish(self) -> None:
        """Give the state a new number, and let all processes show it. Opens nothing that is not open already."""
        state = self._numbered(self.state)
        await self._serving.prepare(state)
        await self._commit(state)

    def _numbered(self, state: RepositoryState) -> RepositoryState:
        """Return the state with the next number and the default versions that follow from it."""
        return with_defaults(replace(state, number=state.number + 1), {**self._found.wanted, **self._overrides})

    async def _commit(self, state: RepositoryState) -> None:
        before, self.state = self.state, state
        await self._serving.commit(state.number)
        for model, version in state.defaults.items():
            if before.defaults.get(model) not in {None, version}:
                logger.info("the default version of %s is %d now, was %d", model, version, before.defaults[model])
        for model, reason in state.not_followed.items():
            if before.not_followed.get(model) != reason:
                logger.warning("%s", reason)

    def _take_up(self) -> None:
        """Record what the folder holds: new versions, changed ones that failed before, and what is passed over."""
        unloaded = {name: _UNLOADED.format(name) for name in sorted(self._unloaded & self._found.bundles.keys())}
        passed_over = {**self._found.passed_over, **unloaded}
        for name, reason in passed_over.items():
            if self.state.passed_over.get(name) != reason:
                logger.warning("%s is passed over: %s", name, reason)
        self.state = replace(self.state, passed_over=passed_over, broken=self._found.broken)
        for name, bundle in self._found.bundles.items():
            if name not in self._unloaded:
                self._take_up_version(name, bundle)

    def _take_up_version(self, name: str, bundle: Bundle) -> None:
        record = self.state.versions.get(name)
        if record is not None and record.state == "ready":
            self._set(name, reason=None if record.sha256 == bundle.sha256 else _OTHER_MANIFEST)
            return
        if record is not None and record.state == "failed" and self._failed_files.get(name) == fingerprint(bundle):
            return  # the same files would fail again
        missing = missing_part(bundle)
        if record is None:
            logger.info("%s is discovered%s", name, f", and not complete yet: {missing}" if missing else "")
        reason = f"waits for its files: {missing}" if missing else None
        self.state = replace(
            self.state,
            versions={**self.state.versions, name: VersionRecord(name, bundle.sha256, "discovered", reason)},
        )

    async def _bring_up(self, name: str) -> None:
        """Check a version that is new and complete, open it in all processes, and let it answer; or record why not.

        Does nothing for any other version, nor for one that is unloaded meanwhile.
        """
        began = time.perf_counter()
        async with self._lock:
            record = self.state.versions.get(name)
            if record is None or record.state != "discovered" or record.reason is not None:
                return
            self._set(name, state="verifying")
            await self._publish()
        files = fingerprint(self._found.bundles[name])
        try:
            checked = await self._checked(name)
        except CheckFailed as error:
            async with self._lock:
                if name in self.state.versions:
                    await self._fail(name, str(error), files)
            return
        async with self._lock:
            if checked is None or name not in self.state.versions:
                return
            profile = checked.profile.model_dump(mode="json")
            ready = self._numbered(self.state.with_version(name, state="ready", profile=profile))
            failures = await self._serving.prepare(ready)
            self.state = replace(self.state, number=ready.number)
            if name in failures:
                await self._fail(name, failures[name], files)
                return
            await self._commit(ready)
        logger.info("%s is ready after %.1f s", name, time.perf_counter() - began)

    async def _checked(self, name: str) -> Checked | None:
        """Return the outcome of the check of a version, None if it was unloaded meanwhile. Raises CheckFailed."""
        showing = list[asyncio.Task[None]]()

        def show_warming() -> None:
            showing.append(asyncio.create_task(self._show_warming(name)))

        check = asyncio.create_task(self._checker.check(self._found.bundles[name], show_warming))
        self._checks[name] = check
        try:
            return await check
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():  # at the end of the service
                raise
            return None
        finally:
            del self._checks[name]
            await asyncio.gather(*showing)

    async def _show_warming(self, name: str) -> None:
        async with self._lock:
            if name in self.state.versions:
                self._set(name, state="warming")
                await self._publish()

    async def _fail(self, name: str, reason: str, files: object) -> None:
        self._refuse(name, reason, files)
        await self._publish()

    def _refuse(self, name: str, reason: str, files: object) -> None:
        """Record that a version has failed; it is tried again when its files have changed.

        files: their fingerprint before they were looked at, since they may have been changed meanwhile.
        """
        self._set(name, state="failed", reason=reason, profile=None)
        self._failed_files[name] = files

    def _without_folder(self) -> set[str]:
        """Return the versions to retire because their folders are gone; record why others stay."""
        gone = set[str]()
        for record in sorted(self.state.versions.values(), key=lambda record: record.number):
            if record.name in self._found.bundles:
                continue
            if record.state != "ready":
                self.state = self.state.without(record.name)
                continue
            if not _is_deleted(self._repository / record.name):
                unreadable = self._found.passed_over.get(record.name) or self._found.passed_over.get(record.model)
                self._set(record.name, reason=f"{_about('its folder', unreadable or 'cannot be read')}; it serves on")
            elif reason := self._kept(record, gone):
                self._set(record.name, reason=reason)
            else:
                gone.add(record.name)
        return gone

    def _kept(self, record: VersionRecord, gone: set[str]) -> str:
        """Return why a version whose folder is gone serves on; empty if it is to retire with the others in `gone`."""
        if not self._found.bundles:
            return "the repository folder holds no bundle any more, so nothing retires"
        others = [number for number in self.state.ready(record.model) if f"{record.model}/{number}" not in gone]
        return kept_without_folder(record, others, self.wanted_of(record.model))

    async def _retire(self, names: set[str]) -> None:
        """Take versions out of service: new requests go elsewhere, accepted ones are answered, then they are gone."""
        for name in names:
            self._set(name, state="retiring", reason=None)
        await self._publish()
        for name in names:
            self.state = self.state.without(name)
            logger.info("%s is gone", name)
        unloaded = {name: _UNLOADED.format(name) for name in sorted(names & self._unloaded)}
        self.state = replace(self.state, passed_over={**self.state.passed_over, **unloaded})
        if names:
            await self._publish()


def _named(name: str, versions: Mapping[str, object]) -> set[str]:
    """Return the versions that a name such as `imagenet/1` or `imagenet` means.

    Raises ModelNotFound, VersionNotFound.
    """
    model, _, number = name.partition("/")
    of_model = {each for each in versions if each.partition("/")[0] == model}
    if not of_model:
        known = ", ".join(sorted({each.partition("/")[0] for each in versions}))
        raise ModelNotFound(f"there is no model {model[:64]!r}; the models are {known}")
    if not number:
        return of_model
    if name not in of_model:
        known = ", ".join(sorted((each.partition("/")[2] for each in of_model), key=int))
        raise VersionNotFound(f"{model} has no version {number[:20]!r}; it has {known}")
    return {name}


def _about(subject: str, reason: str) -> str:
    """Return a sentence of why a folder is passed over, where the reason itself has no subject."""
    return reason if reason.startswith(MANIFEST) else f"{subject} {reason}"


def _is_deleted(folder: Path) -> bool:
    """Return whether there certainly is no such folder; a folder that cannot be looked at may be there."""
    try:
        os.stat(folder)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _store(path: Path, wanted: str) -> str | None:
    """Write the file `default` of a model, atomically. Return why it cannot be written, None if it is."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            unfinished.write_text(f"{wanted}\n")
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        return f"{path.parent.name}/{path.name} cannot be written: {error.strerror}"
    return None
