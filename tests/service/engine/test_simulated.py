"""The device that only takes its time."""

from pathlib import Path

import numpy as np
import pytest

from models.contract import read_bundle
from service.engine import simulated
from service.types import Batch


def test_there_is_none_unless_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting can name it by accident."""
    monkeypatch.delenv(simulated.VARIABLE, raising=False)
    assert simulated.wanted() is None


def test_a_table_becomes_a_profile(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    """Sorted by size; probabilities are uniform."""
    monkeypatch.setenv(simulated.VARIABLE, "8:1.5,1:1")
    profile = simulated.wanted()
    assert profile == [(1, 0.001), (8, 0.0015)]
    engine, measured, *_ = simulated.load_simulated(read_bundle(repository / "colours" / "1"), profile)
    assert measured.points == tuple(profile)
    prediction = engine.run(Batch(np.zeros((2, 16, 16, 3), np.uint8), class_map=True))
    assert prediction.probabilities.tolist() == pytest.approx(np.full((2, 3), 1 / 3))
    assert prediction.class_map is not None
    assert prediction.class_map.shape == (2, 3, 1, 1)
    engine.close()
