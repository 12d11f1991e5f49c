"""Images per second of several graphs."""

from pathlib import Path

import numpy as np
import pytest

from models.contract import Precision
from tests.training.conftest import SIDE, Exported
from training.optimize import speed
from training.optimize.speed import BATCH_SIZE, machine, measure_speeds


def test_fp32_is_its_own_measure(exported: Exported) -> None:
    """Its ratio is 1; a batch has at most as many images as there are."""
    pixels = np.zeros((BATCH_SIZE + 4, SIDE, SIDE, 1), np.uint8)
    for images, size in ((pixels, BATCH_SIZE), (pixels[:3], 3)):
        (found,) = measure_speeds({Precision.FP32: exported.path}, images).values()
        assert (found.ratio, found.batch_size, found.threads) == (1.0, size, 1)
        assert found.images_per_s > 0
        assert found.machine == machine()


def test_the_processor_has_its_name_from_linux_or_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no /proc, the name is that of the platform."""
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A Processor @ 2 GHz\nmodel name\t: A second\n")
    monkeypatch.setattr(speed, "_CPU_INFO", tmp_path / "cpuinfo")
    assert machine() == "A Processor @ 2 GHz"
    monkeypatch.setattr(speed, "_CPU_INFO", tmp_path / "nothing")
    assert machine()
