"""The limits that a run states."""

import pytest

from benchmarks.report.provenance import memory_limit_mib


def test_the_memory_limit_follows_from_the_settings() -> None:
    """256 MiB of bodies, and 256 images in the queue."""
    assert memory_limit_mib(224 * 224 * 3) == pytest.approx(256 + 256 * 224 * 224 * 3 / 2**20)
