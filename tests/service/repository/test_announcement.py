"""The log says which bundles are served, and from where, and when they are ready."""

import logging
from pathlib import Path

import pytest

from models.contract import BUILT_IN
from service.repository.announcement import log_ready, log_repository
from service.repository.state import RepositoryState, VersionRecord
from service.settings import Settings
from tests.support.bundles import write_bundle


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Path:
    """A working folder whose `models` holds no bundle."""
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNELLEN_MODELS", raising=False)
    caplog.set_level(logging.INFO)
    return tmp_path


def test_the_built_in_repository_is_said_with_what_was_passed_over(
    caplog: pytest.LogCaptureFixture, folder: Path
) -> None:
    """And how to serve others."""
    log_repository(Settings())
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert f"{folder / 'models'} is passed over" in caplog.text
    assert "imagenet/1" in caplog.records[1].message
    assert f"built in ({BUILT_IN}); for your own: snellen serve FILE.onnx" in caplog.text


def test_models_in_the_working_folder_are_named_with_its_path(caplog: pytest.LogCaptureFixture, folder: Path) -> None:
    """The path is absolute, since the log does not tell the working folder."""
    write_bundle(folder / "models")
    log_repository(Settings())
    assert caplog.messages == [f"models: colours/1 from {folder / 'models'}"]


@pytest.mark.parametrize("option", [True, False])
def test_a_named_folder_is_just_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, option: bool
) -> None:
    """By option or variable."""
    if not option:
        monkeypatch.setenv("SNELLEN_MODELS", str(BUILT_IN))
    log_repository(Settings(models=BUILT_IN) if option else Settings())
    (record,) = caplog.records
    assert record.message.endswith(f"imagenet/1 from {BUILT_IN}")


def state_of(defaults: dict[str, int], default_model: str | None) -> RepositoryState:
    names = [f"{model}/{version}" for model, version in defaults.items()]
    records = {name: VersionRecord(name, "", "ready") for name in names}
    return RepositoryState(
        number=1, versions=records, default_model=default_model, passed_over={}, broken=frozenset(), defaults=defaults
    )


@pytest.mark.parametrize(
    ("defaults", "default_model", "line"),
    [
        (
            {"clothes": 2, "photos": 10},
            "photos",
            "ready: photos/10 (default), clothes/2 on http://[::1]:8000, http://b",
        ),
        ({"clothes": 2, "animals": 1}, None, "ready: animals/1, clothes/2 on http://[::1]:8000, http://b"),
        ({f"m{number:02}": 1 for number in range(12)}, None, "m08/1, m09/1, and 2 more on http://[::1]:8000, http://b"),
    ],
)
def test_the_models_are_named_once_they_are_ready(
    caplog: pytest.LogCaptureFixture, defaults: dict[str, int], default_model: str | None, line: str
) -> None:
    """The default one first, each with the version that answers, with the addresses."""
    log_ready(state_of(defaults, default_model), ["http://[::1]:8000", "http://b"])
    assert caplog.messages[0].endswith(line)


def test_many_bundles_are_counted(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """The line stays short."""
    for version in range(1, 13):
        write_bundle(tmp_path / "many", version=version)
    log_repository(Settings(models=tmp_path / "many"))
    assert "colours/10, and 2 more from" in caplog.text


def test_a_folder_without_a_bundle_is_said_to_have_none(caplog: pytest.LogCaptureFixture) -> None:
    log_repository(Settings(models=Path("none")))
    assert caplog.messages[0].startswith("models: no bundle from")


def test_a_bundle_that_cannot_be_read_is_not_announced(caplog: pytest.LogCaptureFixture, folder: Path) -> None:
    """It is not served."""
    (folder / "models/colours/1").mkdir(parents=True)
    (folder / "models/colours/1/manifest.json").write_text("not JSON")
    log_repository(Settings())
    assert caplog.messages == [f"models: no bundle from {folder / 'models'}"]
