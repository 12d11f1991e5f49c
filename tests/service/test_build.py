"""How an engine in this process is prepared."""

from pathlib import Path

import pytest

from models.contract import read_bundle, usable_cores
from service.build import engine_factory
from service.server.workers.plan import frontend_settings
from service.settings import Settings
from tests.support.bundles import write_bundle


@pytest.mark.parametrize(
    ("concurrency", "threads", "cores", "decodes"),
    [(1, 1, 1, True), (2, 1, 2, True), (4, 1, 2, True), (1, 1, 2, False), (1, 2, 2, False)],
)
def test_threads_that_run_batches_decode_where_there_is_one_for_each_core(
    tmp_path: Path, concurrency: int, threads: int, cores: int, decodes: bool
) -> None:
    """Else cores would have nothing to do."""
    settings = Settings(
        concurrency=concurrency,
        threads_per_batch=threads,
        decode_threads=cores,
        tune_s=0.05,
        profile_cache=tmp_path / "cache",
    )
    assert decodes_itself(tmp_path, settings, cores) == decodes


@pytest.mark.parametrize("frontends", [1, 2, 4])
def test_frontends_decode_where_they_run_the_networks(tmp_path: Path, frontends: int) -> None:
    """Each has its share of the batches, and of the threads that would decode."""
    settings = Settings(threads_per_batch=1, tune_s=0.05, profile_cache=tmp_path / "cache")
    assert decodes_itself(tmp_path, frontend_settings(settings, frontends, 0), usable_cores())


def test_a_given_profile_is_opened_without_a_cache(tmp_path: Path) -> None:
    """A process opens what another one measured, also where no folder for profiles can be written."""
    bundle = read_bundle(write_bundle(tmp_path))
    nowhere = tmp_path / "a file"
    nowhere.write_text("")
    make = engine_factory(Settings(tune_s=0.05, profile_cache=nowhere), 2)
    first = make(bundle, None)
    first.engine.close()
    second = make(bundle, first.profile)
    second.engine.close()
    assert (first.cached, second.cached) == (False, True)
    assert second.profile == first.profile


def decodes_itself(repository: Path, settings: Settings, cores: int) -> bool:
    write_bundle(repository)
    found = engine_factory(settings, cores)(read_bundle(repository / "colours/1"), None)
    found.engine.close()
    return found.decodes
