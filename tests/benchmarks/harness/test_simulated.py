"""The device that only takes its time."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness import simulated
from models.contract import read_bundle
from service.types import Batch

PRINT = "import service.build; print(service.build.engine_factory.__module__)"


@pytest.mark.parametrize(("table", "module"), [("", "service.build"), ("1:1", "benchmarks.harness.simulated")])
def test_there_is_none_unless_the_environment_says_so(table: str, module: str) -> None:
    """No setting can name it by accident."""
    variables = simulated.environment(table)
    found = subprocess.run([sys.executable, "-c", PRINT], env=variables, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == module


def test_a_table_becomes_a_profile(repository: Path) -> None:
    """Sorted by size; probabilities are uniform."""
    points = simulated.parse("8:1.5,1:1")
    assert points == [(1, 0.001), (8, 0.0015)]
    engine, measured, *_ = simulated.load_simulated(read_bundle(repository / "colours" / "1"), points)
    assert measured.points == tuple(points)
    prediction = engine.run(Batch(np.zeros((2, 16, 16, 3), np.uint8), class_map=True))
    assert prediction.probabilities.tolist() == pytest.approx(np.full((2, 3), 1 / 3))
    assert prediction.class_map is not None
    assert prediction.class_map.shape == (2, 3, 1, 1)
    engine.close()
