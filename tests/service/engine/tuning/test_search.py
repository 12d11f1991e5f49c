"""How the time of a search is spent."""

import time
from pathlib import Path

import pytest

from models.contract import Bundle, read_bundle
from service.engine.engines import LocalEngine
from service.engine.profile import Measurement
from service.engine.providers import EngineOptions
from service.engine.tuning import search as module
from service.engine.tuning.candidates import TuningOptions
from service.engine.tuning.search import search
from service.engine.verification import open_verified
from tests.support.bundles import write_bundle
from tests.support.variants import add_variant


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_bundle(tmp_path))


def test_the_first_configuration_is_timed_whatever_the_budget(bundle: Bundle) -> None:
    """A single image at a time; nothing else is tried."""
    seen: list[Measurement] = []
    engine, profile, _ = search(bundle, TuningOptions(("cpu",), cores=2, budget_s=0), observe=seen.append)
    engine.close()
    assert [(each.concurrency, each.batch_size) for each in profile.tried] == [(2, 1)]
    assert seen == [profile.chosen]


def test_callers_on_a_gpu_share_a_session(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may take minutes to open; the CPU stands in for the GPU here."""
    opened: list[EngineOptions] = []

    def verified(bundle: Bundle, options: EngineOptions, *, again: bool = False) -> LocalEngine:
        opened.append(options)
        return open_verified(bundle, options, again=again)

    monkeypatch.setattr(module, "ON_GPU", {"cpu"})
    monkeypatch.setattr(module, "open_verified", verified)
    engine, profile, _ = search(bundle, TuningOptions(("cpu",), cores=2, budget_s=1.0))
    engine.close()
    assert len(opened) == 1
    assert {each.concurrency for each in profile.tried} == {1, 2}
    assert engine.concurrency == profile.chosen.concurrency


def test_each_variant_is_timed_however_long_it_takes_to_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine opening takes far longer than the budget, and the fastest variant may be the last.

    Further configurations of a variant are tried only where their opening fits into the time.
    """
    bundle = read_bundle(add_variant(write_bundle(tmp_path)))

    def verified(bundle: Bundle, options: EngineOptions, *, again: bool = False) -> LocalEngine:
        time.sleep(0.3)
        return open_verified(bundle, options, again=again)

    monkeypatch.setattr(module, "open_verified", verified)
    engine, profile, _ = search(bundle, TuningOptions(("cpu",), precision=None, cores=2, budget_s=0.1))
    engine.close()
    assert {tried.precision for tried in profile.tried} == {"fp32", "int8"}
    assert {tried.threads_per_batch for tried in profile.tried} == {1}
