"""The log says which bundles are served, and from where."""

import logging
from pathlib import Path

import pytest
from pydantic_settings import CliApp

from models.contract import BUILT_IN
from service.repository.announcement import log_repository
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
