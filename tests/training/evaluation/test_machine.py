"""The name of the machine on which something was measured."""

from pathlib import Path

import pytest

from training.evaluation import machine as module
from training.evaluation.machine import machine


def test_the_processor_has_its_name_from_linux_or_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no /proc, the name is that of the platform."""
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A Processor @ 2 GHz\nmodel name\t: A second\n")
    monkeypatch.setattr(module, "_CPU_INFO", tmp_path / "cpuinfo")
    assert machine() == "A Processor @ 2 GHz"
    monkeypatch.setattr(module, "_CPU_INFO", tmp_path / "nothing")
    assert machine()
