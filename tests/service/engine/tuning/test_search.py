"""How the time of a search is spent."""

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
