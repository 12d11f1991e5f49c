"""The command that serves a new bundle, wherever it was made."""

import shlex
import sys
from pathlib import Path

import pytest

from snellen.serve_command import serve_command


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the script of an environment, with which this process was started."""
    path = tmp_path / "bin" / "snellen"
    path.parent.mkdir()
    path.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(path), "train"])
    monkeypatch.setenv("PATH", "/usr/bin")
    return path


def test_the_program_is_named_as_a_shell_finds_it(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its path, or by its name alone where that is on the search path."""
    assert serve_command(Path("models"), "birds") == f"{script} serve --default-model birds"
    monkeypatch.setenv("PATH", str(script.parent))
    assert serve_command(Path("models"), "birds") == "snellen serve --default-model birds"


def test_another_repository_is_named_and_quoted(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the line can be pasted."""
    monkeypatch.setenv("PATH", str(script.parent))
    line = serve_command(Path("my models"), "birds")
    assert shlex.split(line) == ["snellen", "serve", "--models", "my models", "--default-model", "birds"]


def test_without_a_script_the_interpreter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for `python -m snellen`."""
    monkeypatch.setattr(sys, "argv", ["/somewhere/snellen/__main__.py"])
    assert serve_command(Path("models"), "birds") == f"{sys.executable} -m snellen serve --default-model birds"
