"""From a bundle to an engine in its shape, with the real runtime."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime import RunOptions

from models.contract import Bundle, Precision, read_bundle
from service.engine.engines import every_provider
from service.engine.onnx_engine import OnnxEngine
from service.engine.profile import Measurement
from service.engine.session import EngineRejected
from service.engine.tuning.autotune import autotune
from service.engine.tuning.candidates import TuningOptions, candidates_of, precisions_of, profile_key
from service.engine.tuning.profile_cache import ProfileCache
from service.engine.tuning.search import search
from service.errors import EngineFailure
from service.types import Batch, Prediction
from tests.support.bundles import SIDE, change_manifest, write_bundle
from tests.support.clients import ready_client
from tests.support.libraries import LIBRARIES, needs_openvino
from tests.support.variants import add_variant

QUICK = TuningOptions(("cpu",), cores=2, max_batch_size=4, budget_s=0.1)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_bundle(tmp_path / "models"))


def wanted(cache: Path | None = None, **changes: Any) -> TuningOptions:
    return replace(QUICK, cache=cache, **changes)


def test_an_engine_has_the_shape_of_its_profile(bundle: Bundle) -> None:
    """And answers batches of every size up to the chosen one."""
    engine, profile, cached = autotune(bundle, wanted())
    assert (engine.concurrency, engine.threads_per_batch) == (
        profile.chosen.concurrency,
        profile.chosen.threads_per_batch,
    )
    assert profile.chosen in profile.tried
    assert profile.batch_size in [point.batch_size for point in profile.points]
    assert not cached
    for size in range(1, profile.batch_size + 1):
        assert engine.run(Batch(np.zeros((size, SIDE, SIDE, 3), np.uint8))).probabilities.shape == (size, 3)
    engine.close()


def test_a_profile_is_used_again(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is timed, but every size that can occur is run before requests come."""
    first = autotune(bundle, wanted(tmp_path))
    first.engine.close()
    sizes: list[int] = []
    usual = OnnxEngine.run

    def run(engine: OnnxEngine, batch: Batch, *rest: RunOptions) -> Prediction:
        sizes.append(len(batch.images))
        return usual(engine, batch, *rest)

    monkeypatch.setattr(OnnxEngine, "run", run)
    monkeypatch.setattr("service.engine.tuning.search.Search.run", lambda _: pytest.fail("timed again"))
    second = autotune(bundle, wanted(tmp_path))
    second.engine.close()
    assert second.cached
    assert second.profile == first.profile
    assert set(range(1, first.profile.batch_size + 1)) <= set(sizes)


@pytest.mark.parametrize("library", LIBRARIES)
def test_processes_that_measure_at_the_same_time_agree(bundle: Bundle, tmp_path: Path, library: str) -> None:
    """The profile that was stored first is that of both, though the other process measured another one meanwhile."""
    options = wanted(tmp_path, providers=(library,), max_batch_size=4)
    alone = autotune(bundle, replace(options, cache=None, max_batch_size=1))
    alone.engine.close()

    def another_process_ends(_: Measurement) -> None:
        ProfileCache(tmp_path).add(profile_key(bundle, options), alone.profile)

    found = autotune(bundle, options, observe=another_process_ends)
    found.engine.close()
    assert found.cached
    assert found.profile == alone.profile
    assert autotune(bundle, options).profile == alone.profile


def test_an_engine_of_its_own_is_kept_where_that_of_another_process_does_not_open(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as for want of memory; the profile of the other process stays for those that can use it."""
    options = wanted(tmp_path, max_batch_size=4)
    alone = autotune(bundle, replace(options, cache=None, max_batch_size=1))
    alone.engine.close()

    def refuse(*_: object, **__: object) -> None:
        raise EngineRejected("no memory is left")

    def another_process_ends(_: Measurement) -> None:
        ProfileCache(tmp_path).add(profile_key(bundle, options), alone.profile)
        monkeypatch.setattr("service.engine.tuning.autotune.open_verified", refuse)

    found = autotune(bundle, options, observe=another_process_ends)
    assert found.engine.run(Batch(np.zeros((1, SIDE, SIDE, 3), np.uint8))).probabilities.shape == (1, 3)
    found.engine.close()
    assert found.profile != alone.profile


def test_a_stored_profile_that_fits_no_candidate_is_replaced(bundle: Bundle, tmp_path: Path) -> None:
    """Such as one of an older version of the service."""
    options = wanted(tmp_path)
    first = autotune(bundle, replace(options, cache=None))
    first.engine.close()
    foreign = first.profile.model_copy(
        update={"chosen": first.profile.chosen.model_copy(update={"threads_per_batch": 77})}
    )
    ProfileCache(tmp_path).put(profile_key(bundle, options), foreign)
    found = autotune(bundle, options)
    found.engine.close()
    assert not found.cached
    assert ProfileCache(tmp_path).get(profile_key(bundle, options)) == found.profile


@pytest.mark.parametrize(
    "changes",
    [{"cores": 3}, {"max_batch_size": 2}, {"latency_s": 1.0}, {"concurrency": 1}, {"precision": None}],
)
def test_what_matters_is_in_the_key(bundle: Bundle, changes: dict[str, Any]) -> None:
    """The time that the search may take is not: longer ones are for those that come later."""
    key = profile_key(bundle, wanted())
    assert profile_key(bundle, wanted(None, **changes)) != key
    assert profile_key(bundle, wanted(budget_s=9.0)) == key
    assert profile_key(bundle, wanted(low_priority=True)) == key


def test_another_model_has_another_key(bundle: Bundle, tmp_path: Path) -> None:
    """By the hash of its graph, not by its name."""
    other = read_bundle(write_bundle(tmp_path / "others", matmuls=1))
    assert profile_key(bundle, wanted()) != profile_key(other, wanted())
    again = read_bundle(write_bundle(tmp_path / "again"))
    assert profile_key(bundle, wanted()) == profile_key(again, wanted())


def test_a_profile_of_what_cannot_be_any_more_is_measured_again(bundle: Bundle, tmp_path: Path) -> None:
    """As one whose provider was uninstalled."""
    engine, profile, _ = autotune(bundle, wanted(tmp_path))
    engine.close()
    other = profile.model_copy(update={"chosen": profile.chosen.model_copy(update={"provider": "gone"})})
    ProfileCache(tmp_path).put(profile_key(bundle, wanted(tmp_path)), other)
    found = autotune(bundle, wanted(tmp_path))
    found.engine.close()
    assert (found.cached, found.profile.chosen.provider) == (False, "cpu")


def test_a_given_profile_takes_the_place_of_the_cache(bundle: Bundle, tmp_path: Path) -> None:
    """Nothing is timed, and the cache is not written."""
    first = autotune(bundle, wanted(tmp_path / "one"))
    first.engine.close()
    timed: list[object] = []
    second = autotune(bundle, wanted(tmp_path / "other"), first.profile, timed.append)
    second.engine.close()
    assert (second.cached, second.profile, timed) == (True, first.profile, [])
    assert not (tmp_path / "other").exists()


def test_a_given_profile_that_does_not_fit_is_measured_again(bundle: Bundle) -> None:
    """As one of more cores than this process has."""
    first = autotune(bundle, wanted(concurrency=3))
    first.engine.close()
    timed: list[object] = []
    second = autotune(bundle, wanted(concurrency=2), first.profile, timed.append)
    second.engine.close()
    assert (second.cached, second.engine.concurrency) == (False, 2)
    assert timed


def test_explicit_numbers_narrow_the_search(bundle: Bundle) -> None:
    """To one shape here, and to single images."""
    engine, profile, _ = search(bundle, wanted(concurrency=3, threads_per_batch=1, max_batch_size=1))
    assert {(tried.concurrency, tried.threads_per_batch, tried.batch_size) for tried in profile.tried} == {(3, 1, 1)}
    assert engine.concurrency == 3
    engine.close()


def test_no_larger_batch_is_tried_than_the_graph_takes(tmp_path: Path) -> None:
    """As the manifest's `max_batch` says; the setting above it makes no other profile."""
    folder = write_bundle(tmp_path)
    change_manifest(folder, max_batch=2)
    bundle = read_bundle(folder)
    assert {size for each in candidates_of(bundle, wanted()) for size in each.untried} == {1, 2}
    assert {each.options.largest for each in candidates_of(bundle, wanted())} == {2}
    assert profile_key(bundle, wanted()) == profile_key(bundle, wanted(max_batch_size=32))
    engine, profile, _ = autotune(bundle, wanted())
    engine.close()
    assert profile.batch_size <= 2


def test_fp32_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    """`auto` tries every variant, each after its golden images."""
    bundle = read_bundle(add_variant(write_bundle(tmp_path)))
    assert precisions_of(bundle, wanted()) == (Precision.FP32,)
    assert precisions_of(bundle, wanted(precision=None)) == (Precision.FP32, Precision.INT8)
    engine, profile, _ = search(bundle, wanted(precision=None))
    engine.close()
    assert {tried.precision for tried in profile.tried} == {"fp32", "int8"}


def test_a_variant_that_fails_its_golden_images_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The others serve, and one line says why it does not."""
    bundle = read_bundle(add_variant(write_bundle(tmp_path), factor=1))
    engine, profile, _ = search(bundle, wanted(precision=None))
    engine.close()
    assert {tried.precision for tried in profile.tried} == {"fp32"}
    assert caplog.text.count("int8 on cpu is not tried: golden image") == 1


def test_all_providers_are_those_installed(bundle: Bundle) -> None:
    """`auto` is more than a preference: each is tried."""
    providers = [each.options.providers for each in candidates_of(bundle, wanted(providers=("auto",)))]
    assert ("cpu",) in providers
    assert {first for first, *_ in providers} == set(every_provider())


def test_a_bundle_that_nothing_can_run_is_refused(tmp_path: Path) -> None:
    """With the reason of the first that was tried."""
    folder = write_bundle(tmp_path)
    change_manifest(folder, labels=["red", "green"])
    with pytest.raises(EngineRejected, match="manifest says|should be"):
        search(read_bundle(folder), wanted())


def test_a_batch_size_that_cannot_run_does_not_stop_the_load(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a device whose memory is too small for it: smaller ones serve."""
    usual = OnnxEngine.run

    def run(engine: OnnxEngine, batch: Batch, *rest: RunOptions) -> Prediction:
        if len(batch.images) > 2:
            raise EngineFailure("no memory")
        return usual(engine, batch, *rest)

    monkeypatch.setattr(OnnxEngine, "run", run)
    engine, profile, _ = search(bundle, wanted(budget_s=1.0))
    engine.close()
    assert {tried.batch_size for tried in profile.tried} <= {1, 2}


def test_clients_see_what_was_chosen_and_why(tmp_path: Path) -> None:
    """Beside the profile; batches are never larger than the chosen one."""
    write_bundle(tmp_path)
    with ready_client(tmp_path, precision="auto", providers="auto") as client:
        engine = client.get("/v1/models/colours").json()["engine"]
    assert engine["chosen"]["provider"] == engine["provider"] in every_provider()
    assert engine["chosen"]["batch_size"] == engine["max_batch_size"]
    assert "images/s" in engine["chosen"]["reason"]


@needs_openvino
def test_each_process_is_prepared_for_both_batch_sizes_of_openvino(bundle: Bundle, tmp_path: Path) -> None:
    """With a given profile too, so that no request waits for a compilation; what was compiled is on disk."""
    options = wanted(tmp_path, providers=("openvino",), max_batch_size=8, latency_s=10.0, budget_s=1.0)
    first = autotune(bundle, options)
    first.engine.close()
    chosen = first.profile.chosen.model_copy(update={"batch_size": 8})
    second = autotune(bundle, options, first.profile.model_copy(update={"chosen": chosen}), warm_up=False)
    assert (second.cached, second.engine.provider, second.engine.sizes) == (True, "openvino", (1, 4))
    second.engine.close()
    names = {path.name for path in (tmp_path / "openvino").rglob("fp32-*")}
    assert {"fp32-1", "fp32-4", "fp32-any"} <= names


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_library_finds_a_profile(bundle: Bundle, library: str) -> None:
    """The measurements name it, and its batches have the answers."""
    found = autotune(bundle, wanted(providers=(library,)))
    assert {tried.provider for tried in found.profile.tried} == {library}
    assert found.engine.run(Batch(np.zeros((3, SIDE, SIDE, 3), np.uint8))).probabilities.shape == (3, 3)
    found.engine.close()
