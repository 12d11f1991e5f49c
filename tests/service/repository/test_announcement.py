"""The log says which bundles are served, and from where, and when they are ready."""

import logging
from pathlib import Path

import pytest
from pydantic_settings import CliApp

from models.contract import BUILT_IN
from service.repository.announcement import log_ready, log_repository
from service.repository.state import RepositoryState, VersionRecord
from service.settings import Settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A working folder whose `models` holds no bundle."""
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNELLEN_MODELS", raising=False)
    caplog.set_level(logging.INFO)


def test_the_built_in_repository_is_said_with_what_was_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """And how to serve others."""
    log_repository(CliApp.run(Settings, cli_args=[]))
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert f"{Path.cwd() / 'models'} is passed over" in caplog.text
    assert f"built in ({BUILT_IN}); for your own:" in caplog.text


@pytest.mark.parametrize("flag", [True, False])
def test_a_named_folder_is_just_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, flag: bool
) -> None:
    """By flag or variable."""
    if not flag:
        monkeypatch.setenv("SNELLEN_MODELS", str(BUILT_IN))
    log_repository(CliApp.run(Settings, cli_args=["--models", str(BUILT_IN)] if flag else []))
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
