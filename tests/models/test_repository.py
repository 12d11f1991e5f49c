"""Which repository folder is read where none is named."""

from pathlib import Path

import pytest

from models import repository
from models.contract import BUILT_IN, default_repository, find_bundles, passed_over_folder
from tests.support.bundles import write_bundle

HERE = Path("models")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, empty at first."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_empty_folder_has_the_built_in_repository() -> None:
    """Which is the folder of the package, and has imagenet."""
    assert default_repository() == BUILT_IN
    assert "imagenet/1" in {f"{path.parent.name}/{path.name}" for path in find_bundles(BUILT_IN)}
    assert passed_over_folder(BUILT_IN) is None


def test_models_in_the_working_folder_comes_first() -> None:
    """Where it holds a bundle."""
    write_bundle(HERE)
    assert default_repository() == HERE
    assert passed_over_folder(HERE) is None


@pytest.mark.parametrize("version", ["1", "v1"])
def test_a_damaged_bundle_counts(version: str) -> None:
    """No other model takes its place."""
    (HERE / "colours" / version).mkdir(parents=True)
    (HERE / "colours" / version / "manifest.json").write_text("not JSON")
    assert default_repository() == HERE


@pytest.mark.parametrize("inside", ["model.onnx", "colours/manifest.json", "a/b/c/manifest.json"])
def test_another_folder_of_this_name_is_passed_over(inside: str) -> None:
    """And named."""
    (HERE / inside).parent.mkdir(parents=True)
    (HERE / inside).touch()
    assert default_repository() == BUILT_IN
    assert f"the folder {Path.cwd() / 'models'} is passed over" in (passed_over_folder(BUILT_IN) or "")


def test_a_file_of_this_name_is_no_folder() -> None:
    HERE.touch()
    assert (default_repository(), passed_over_folder(BUILT_IN)) == (BUILT_IN, None)


def test_without_built_in_bundles_the_usual_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container, whose package has none."""
    monkeypatch.setattr(repository, "BUILT_IN", tmp_path / "package")
    assert default_repository() == HERE
