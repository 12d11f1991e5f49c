"""The folder changes, and what is served follows; with real bundles on an engine of the test."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from models.contract import Bundle
from service.batching.admission import Admitted
from service.engine.profile import LoadedEngine, Profile
from service.engine.session import EngineRejected
from service.errors import Conflict, ModelNotFound, NotReady, VersionNotFound
from service.repository.checker import Checked, CheckFailed
from service.repository.lifecycle import Lifecycle
from service.repository.loader import Loader
from service.repository.registry import Registry
from service.repository.scan import RepositoryError
from service.repository.state import RepositoryState
from service.telemetry.metrics import Metrics
from tests.support.bundles import change_manifest, write_bundle
from tests.support.deployments import LoadableRegistry, profile, registry_of
from tests.support.engines import GatedEngine


class Judge:
    """A checker that refuses what it is told to, and records what clients saw meanwhile."""

    def __init__(self) -> None:
        self.checked, self.seen = list[str](), list[str]()
        self.refused = dict[str, str]()
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.began = asyncio.Event()
        self.registry: Registry

    async def check(self, bundle: Bundle, on_warming: Callable[[], None]) -> Checked:
        name = f"{bundle.manifest.name}/{bundle.manifest.version}"
        self.checked.append(name)
        self._look()
        if not self.may_end.is_set():
            self.began.set()
        await self.may_end.wait()
        if name in self.refused:
            raise CheckFailed(self.refused[name])
        on_warming()
        while states(self.registry)[name] != "warming":  # noqa: ASYNC110 - the registry tells nobody
            await asyncio.sleep(0.001)
        self._look()
        return Checked(profile(), 0)

    def _look(self) -> None:
        self.seen.append(" ".join(f"{version.name}={version.state}" for version in self.registry))


@pytest.fixture
def judge() -> Judge:
    return Judge()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def registry(tmp_path: Path, judge: Judge, metrics: Metrics) -> AsyncIterator[LoadableRegistry]:
    """A service that serves colours/1."""
    write_bundle(tmp_path)
    registry = registry_of(tmp_path, GatedEngine(provider="gated", classes=3), metrics)
    registry.lifecycle._checker = judge
    judge.registry = registry
    await registry.load()
    yield registry
    await registry.close()


@pytest.fixture
def lifecycle(registry: LoadableRegistry) -> Lifecycle:
    return registry.lifecycle


async def reconciling(lifecycle: Lifecycle, judge: Judge) -> asyncio.Task[RepositoryState]:
    """Begin to reconcile, and return once a check waits for `may_end` of the judge."""
    judge.may_end.clear()
    change = asyncio.create_task(lifecycle.reconcile())
    await judge.began.wait()
    return change


def states(registry: Registry) -> dict[str, str]:
    return {version.name: version.state for version in registry}


def default(registry: Registry) -> str:
    return registry.find("colours").name


async def test_a_new_version_is_checked_and_becomes_the_default(
    tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle, judge: Judge
) -> None:
    """The old one answers meanwhile, and stays addressable."""
    write_bundle(tmp_path, version=2)
    await lifecycle.reconcile()
    assert judge.seen == ["colours/1=ready colours/2=verifying", "colours/1=ready colours/2=warming"]
    assert states(registry) == {"colours/1": "ready", "colours/2": "ready"}
    assert default(registry) == "colours/2"
    assert registry.find("colours", "1").ready()
    await lifecycle.reconcile()
    assert judge.checked == ["colours/2"]


async def test_a_version_that_fails_its_check_takes_no_traffic(
    tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle, judge: Judge
) -> None:
    """It says why; it is checked again when its files have changed, or by hand."""
    folder = write_bundle(tmp_path, version=2)
    judge.refused["colours/2"] = "red.png is off by 0.5"
    await lifecycle.reconcile()
    assert (default(registry), states(registry)["colours/2"]) == ("colours/1", "failed")
    with pytest.raises(NotReady, match=r"red.png is off by 0.5"):
        registry.find("colours", "2").ready()
    await lifecycle.reconcile()
    assert judge.checked == ["colours/2"]
    await lifecycle.load("colours/2")
    assert judge.checked == ["colours/2"] * 2
    judge.refused.clear()
    (folder / "MODEL_CARD.md").touch()
    await lifecycle.reconcile()
    assert default(registry) == "colours/2"


async def test_a_roll_back_does_not_wait_for_a_check(
    tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle, judge: Judge
) -> None:
    """A check may take minutes; the version that is checked becomes ready afterwards."""
    write_bundle(tmp_path, version=2)
    await lifecycle.reconcile()
    write_bundle(tmp_path, version=3)
    change = await reconciling(lifecycle, judge)
    async with asyncio.timeout(5):
        assert (await lifecycle.set_default("colours", "1")).version == 1
        await lifecycle.unload("colours/2")
    assert (default(registry), states(registry)) == ("colours/1", {"colours/1": "ready", "colours/3": "verifying"})
    judge.may_end.set()
    await change
    assert (default(registry), states(registry)) == ("colours/1", {"colours/1": "ready", "colours/3": "ready"})


async def test_unloading_a_version_ends_its_check(
    tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle, judge: Judge
) -> None:
    """So a check that hangs holds up nothing; the version can be loaded again."""
    write_bundle(tmp_path, version=2)
    change = await reconciling(lifecycle, judge)
    async with asyncio.timeout(5):
        await lifecycle.unload("colours/2")
        await change
    assert states(registry) == {"colours/1": "ready"}
    assert "was unloaded by hand" in registry.unreadable["colours/2"]
    judge.may_end.set()
    await lifecycle.load("colours/2")
    assert default(registry) == "colours/2"


async def test_a_version_that_is_repaired_during_its_check_is_checked_again(
    tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle, judge: Judge
) -> None:
    """Its files were still being written when the check read them."""
    folder = write_bundle(tmp_path, version=2)
    judge.refused["colours/2"] = "model.onnx differs from the sha256"
    change = await reconciling(lifecycle, judge)
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    judge.may_end.set()
    await change
    assert states(registry)["colours/2"] == "failed"
    judge.refused.clear()
    await lifecycle.reconcile()
    assert default(registry) == "colours/2"


async def test_a_lifecycle_that_is_replaced_ends_its_checks(
    tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle, judge: Judge
) -> None:
    """What it waits for is of no use any more."""
    write_bundle(tmp_path, version=2)
    change = await reconciling(lifecycle, judge)
    lifecycle.end_checks()
    async with asyncio.timeout(5):
        await change
    assert states(registry)["colours/1"] == "ready"


async def test_a_version_that_cannot_be_opened_takes_no_traffic(
    tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle
) -> None:
    """Though its check has passed: a serving process has no room for it."""

    def refuse(_bundle: Bundle, _profile: Profile | None) -> LoadedEngine:
        raise EngineRejected("no room")

    write_bundle(tmp_path, version=2)
    loader = registry._loader
    assert isinstance(loader, Loader)
    loader._prepare = refuse
    state = await lifecycle.reconcile()
    assert (state.versions["colours/2"].state, state.versions["colours/2"].reason) == ("failed", "no room")
    assert default(registry) == "colours/1"


async def test_a_folder_that_is_still_copied_is_waited_for(
    tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle, judge: Judge
) -> None:
    """It is not checked before all its files have their length."""
    folder = write_bundle(tmp_path, version=2)
    model = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(model[:10])
    state = await lifecycle.reconcile()
    assert state.versions["colours/2"].reason == f"waits for its files: model.onnx has 10 of {len(model):,} bytes"
    assert (judge.checked, states(registry)["colours/2"]) == ([], "discovered")
    (folder / "model.onnx").write_bytes(model)
    await lifecycle.reconcile()
    assert default(registry) == "colours/2"


async def test_a_deleted_version_retires_when_its_requests_are_answered(
    tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle, metrics: Metrics
) -> None:
    """New requests do not reach it, and nothing of it is left in the metrics."""
    write_bundle(tmp_path, version=2)
    await lifecycle.reconcile()
    old = registry.find("colours", "1")
    request = old.ready().admission.admit(1, 1)
    assert isinstance(request, Admitted)
    with request:
        shutil.rmtree(tmp_path / "colours/1")
        change = asyncio.create_task(lifecycle.reconcile())
        await asyncio.sleep(0.1)
        with pytest.raises(NotReady, match="being retired"):
            old.ready()
        assert not change.done()
        assert old.serving is not None
    await change
    assert old.serving is None
    assert states(registry) == {"colours/2": "ready"}
    assert 'version="1"' not in str([metric.samples for metric in metrics.registry.collect()])


@pytest.mark.parametrize("what", ["version", "model", "repository"])
async def test_a_deletion_never_takes_the_last_ready_version(
    tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle, what: str
) -> None:
    """Nor does an empty or missing repository, such as a network file system that is away; the reason is listed."""
    if what != "repository":
        write_bundle(tmp_path, "shades")
        await lifecycle.reconcile()
    shutil.rmtree({"version": tmp_path / "colours/1", "model": tmp_path / "colours", "repository": tmp_path}[what])
    if what == "repository":
        with pytest.raises(RepositoryError):
            await lifecycle.reconcile()
        os.mkdir(tmp_path)
    state = await lifecycle.reconcile()
    assert registry.find("colours", "1").ready()
    assert state.versions["colours/1"].reason
    write_bundle(tmp_path)
    state = await lifecycle.reconcile()
    assert state.versions["colours/1"].reason is None


async def test_a_manifest_that_becomes_unreadable_is_named(
    tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle
) -> None:
    """In whole sentences; the version serves on."""
    (tmp_path / "colours/1/manifest.json").write_text("{")
    state = await lifecycle.reconcile()
    reason = state.versions["colours/1"].reason or ""
    assert reason.startswith("manifest.json: ")
    assert reason.endswith("; it serves on")
    with pytest.raises(Conflict, match="colours/1 cannot be loaded: manifest.json: "):
        await lifecycle.load("colours/1")
    assert registry.find("colours", "1").ready()


async def test_of_several_deleted_versions_the_newest_one_stays(
    tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle
) -> None:
    """The folder of their model is left, and holds no version; the others are deleted all the same."""
    write_bundle(tmp_path, version=2)
    write_bundle(tmp_path, "shades")
    await lifecycle.reconcile()
    for version in ("1", "2"):
        shutil.rmtree(tmp_path / "colours" / version)
    state = await lifecycle.reconcile()
    assert states(registry) == {"colours/2": "ready", "shades/1": "ready"}
    assert "the last ready version" in (state.versions["colours/2"].reason or "")


async def test_a_folder_that_changes_under_its_version_is_noticed_and_not_used(
    tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle, judge: Judge
) -> None:
    """What was verified serves on."""
    change_manifest(tmp_path / "colours/1", labels=["one", "two", "three"])
    state = await lifecycle.reconcile()
    assert "another manifest" in (state.versions["colours/1"].reason or "")
    assert registry.find().manifest.labels[0] != "one"
    assert judge.checked == []


async def test_a_default_outlasts_a_restart(tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle) -> None:
    """It is a file; `latest` follows the newest again."""
    write_bundle(tmp_path, version=2)
    await lifecycle.reconcile()
    outcome = await lifecycle.set_default("colours", "1")
    assert (outcome.version, outcome.not_stored) == (1, None)
    assert (default(registry), (tmp_path / "colours/default").read_text()) == ("colours/1", "1\n")
    write_bundle(tmp_path, version=3)
    await lifecycle.reconcile()
    assert default(registry) == "colours/1"
    again = registry_of(tmp_path, GatedEngine(provider="gated", classes=3))
    await again.load()
    assert default(again) == "colours/1"
    await again.close()
    assert (await lifecycle.set_default("colours", "latest")).version == 3
    assert default(registry) == "colours/3"


async def test_a_default_that_cannot_be_stored_lasts_until_the_end_of_the_service(
    tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle
) -> None:
    """And says so; a folder stands where the file should be."""
    write_bundle(tmp_path, version=2)
    await lifecycle.reconcile()
    (tmp_path / "colours/default").mkdir()
    outcome = await lifecycle.set_default("colours", "1")
    assert "colours/default cannot be written" in (outcome.not_stored or "")
    assert default(registry) == "colours/1"
    await lifecycle.reconcile()
    assert default(registry) == "colours/1"


async def test_what_cannot_be_done_changes_nothing(
    tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle, judge: Judge
) -> None:
    """Every refusal names what to do."""
    write_bundle(tmp_path, version=2)
    judge.refused["colours/2"] = "damaged"
    await lifecycle.reconcile()
    before = states(registry), default(registry)
    with pytest.raises(Conflict, match="colours is the default model"):
        await lifecycle.unload("colours")
    with pytest.raises(Conflict, match="is the default version of colours; load another one first"):
        await lifecycle.unload("colours/1")
    with pytest.raises(NotReady, match="colours/2 is failed: damaged"):
        await lifecycle.set_default("colours", "2")
    for refused in (lifecycle.load("shades"), lifecycle.unload("shades/1"), lifecycle.set_default("../colours", "1")):
        with pytest.raises(ModelNotFound, match="the models are colours"):
            await refused
    for refused in (lifecycle.load("colours/9"), lifecycle.unload("colours/9"), lifecycle.set_default("colours", "x")):
        with pytest.raises(VersionNotFound, match="it has 1, 2"):
            await refused
    assert (states(registry), default(registry)) == before
    assert not (tmp_path / "colours/default").exists()


async def test_an_unloaded_version_stays_away_until_it_is_loaded(
    tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle
) -> None:
    """Whatever else changes; the list names it."""
    write_bundle(tmp_path, version=2)
    await lifecycle.reconcile()
    with pytest.raises(Conflict, match="snellen models default colours 1"):
        await lifecycle.unload("colours/2")
    await lifecycle.unload("colours/1")
    await lifecycle.reconcile()
    assert states(registry) == {"colours/2": "ready"}
    assert registry.unreadable == {"colours/1": "was unloaded by hand; load it with: snellen models load colours/1"}
    for refused in (lifecycle.set_default("colours", "1"), lifecycle.unload("colours/1")):
        with pytest.raises(VersionNotFound, match="is not served: it was unloaded by hand; load it with"):
            await refused
    await lifecycle.load("colours/1")
    assert (states(registry)["colours/1"], registry.unreadable) == ("ready", {})


async def test_a_model_that_is_not_the_default_one_can_be_unloaded(
    tmp_path: Path, registry: LoadableRegistry, lifecycle: Lifecycle
) -> None:
    """With all its versions."""
    write_bundle(tmp_path, "shades")
    await lifecycle.reconcile()
    with pytest.raises(Conflict, match="unload the whole model: snellen models unload shades"):
        await lifecycle.unload("shades/1")
    write_bundle(tmp_path, "shades", version=2)
    await lifecycle.reconcile()
    await lifecycle.unload("shades")
    assert states(registry) == {"colours/1": "ready"}
    await lifecycle.load("shades")
    assert states(registry) == {"colours/1": "ready", "shades/1": "ready", "shades/2": "ready"}
