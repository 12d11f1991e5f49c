"""The names that other programs import, and what is imported in the place of ours."""

import subprocess
import sys
from pathlib import Path

import pytest

import snellen
from service.app import create_app
from service.settings import Settings

ROOT = Path(__file__).parents[2]


def run(code: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run Python with `folder` first on its path."""
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = [{str(folder)!r}, {str(ROOT)!r}]; {code}"]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def test_the_public_names() -> None:
    """Of a program that serves its own application."""
    assert snellen.create_app is create_app
    assert snellen.Settings is Settings
    assert snellen.shadowed() is None


def test_another_name_is_an_error_as_usual() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = snellen.nothing


@pytest.mark.parametrize("name", ["service", "models", "training"])
def test_a_file_in_the_place_of_ours_is_named(tmp_path: Path, name: str) -> None:
    """By the command and by the public names."""
    (tmp_path / f"{name}.py").write_text("")
    for code in ("from snellen.__main__ import main; main()", "from snellen import create_app"):
        done = run(code, tmp_path)
        assert done.returncode != 0
        assert f"{tmp_path / name}.py is imported in the place of Snellen's {name!r}" in done.stderr


def test_a_package_that_is_not_installed_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment may hold a part of the code only."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert snellen.shadowed() is None


def test_a_folder_of_models_is_no_such_file(tmp_path: Path) -> None:
    """A repository of bundles has the name of our package, and no __init__.py."""
    (tmp_path / "models").mkdir()
    assert run("import snellen; assert snellen.shadowed() is None", tmp_path).returncode == 0
