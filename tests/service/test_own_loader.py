"""How an engine in this process is prepared."""

from pathlib import Path

import pytest

from models.contract import read_bundle
from service.own_loader import preparation
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
    write_bundle(tmp_path)
    settings = Settings(
        concurrency=concurrency, threads_per_batch=threads, tune_s=0.05, profile_cache=tmp_path / "cache"
    )
    found = preparation(settings, cores)(read_bundle(tmp_path / "colours/1"))
    assert found.decodes == decodes
    found.engine.close()
