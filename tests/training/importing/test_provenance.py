"""What a bundle says of its making."""

import sys
from importlib.metadata import version

import pytest

from training.importing.provenance import provenance


@pytest.mark.parametrize("program", ["/opt/venv/bin/snellen", "/opt/checkout/snellen/__main__.py"])
def test_the_command_is_the_one_to_type_however_it_was_started(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The installed script and `python -m snellen` leave the same words, quoted for a shell."""
    monkeypatch.setattr(sys, "argv", [program, "train", "--note", "two words"])
    made = provenance(dataset="none", licence="none", notes=())
    assert made.command == "snellen train --note 'two words'"


def test_libraries_are_recorded_with_their_versions() -> None:
    """Those that every bundle depends on, and those that are named for this one."""
    made = provenance(dataset="none", licence="none", notes=(), libraries=("torch",))
    assert made.libraries == {name: version(name) for name in ("numpy", "onnx", "onnxruntime", "pillow", "torch")}
