"""Repositories and bundles as commands name them."""

from pathlib import Path

import pytest
import typer

from models.contract import BUILT_IN
from snellen.repository import bundle_folder, default_bundle, refuse_no_run, repository_folder
from tests.snellen.command import in_process
from tests.support.bundles import write_bundle
from tests.support.pictures import GREEN, picture

IMAGENET = BUILT_IN / "imagenet" / "1"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, empty at first."""
    for name in ("SNELLEN_MODELS", "SNELLEN_DEFAULT_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    """What default_bundle says before it ends the command with status 2."""
    with pytest.raises(typer.Exit) as ended:
        default_bundle()
    assert ended.value.exit_code == 2
    return capsys.readouterr().err


def test_the_option_wins_then_the_variable_then_the_working_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for `snellen serve`."""
    assert repository_folder() == BUILT_IN
    write_bundle(Path("models"))
    assert repository_folder() == Path("models")
    monkeypatch.setenv("snellen_models", "elsewhere")
    assert repository_folder() == Path("elsewhere")
    assert repository_folder(Path("here")) == Path("here")


def test_a_folder_that_is_passed_over_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    """However many bundles are looked for."""
    Path("models").mkdir()
    assert [bundle_folder(Path("imagenet")), bundle_folder(Path("imagenet/1"))] == [IMAGENET, IMAGENET]
    assert capsys.readouterr().err.count("is passed over") == 1


def test_the_default_bundle_is_the_newest_of_the_default_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The only model, the one of the variable, or imagenet."""
    assert default_bundle() == IMAGENET
    assert capsys.readouterr().err in ("", "snellen: with the built-in bundle imagenet/1\n")
    for version in (2, 10):
        write_bundle(Path("models"), version=version)
    assert default_bundle() == Path("models/colours/10")
    write_bundle(Path("models"), "grey")
    assert "name a bundle: models holds colours/10, grey/1" in refused(capsys)
    monkeypatch.setenv("SNELLEN_DEFAULT_MODEL", "grey")
    assert default_bundle() == Path("models/grey/1")


def test_no_bundle_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With the folder."""
    monkeypatch.setenv("SNELLEN_MODELS", "none")
    assert "none holds no bundle <name>/<version>/manifest.json" in refused(capsys)


def test_a_bundle_is_a_folder_or_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is there wins; a name that is nowhere is answered with those that are there."""
    write_bundle(Path("models"))
    write_bundle(Path("models"), version=2)
    Path("colours").mkdir()
    assert bundle_folder(Path("colours")) == Path("colours")
    assert bundle_folder(Path("colours/2")) == Path("models/colours/2")
    assert bundle_folder(Path("/none")) == Path("/none")
    assert bundle_folder(Path("models/colours/3")) == Path("models/colours/3")
    with pytest.raises(typer.Exit) as ended:
        bundle_folder(Path("flowers"))
    assert ended.value.exit_code == 2
    assert "there is no folder flowers, and models holds colours/1, colours/2" in capsys.readouterr().err


def test_every_command_that_reads_a_bundle_knows_the_built_in_one(tmp_path: Path) -> None:
    """In an empty folder, as after `pip install`."""
    photo = tmp_path / "green.png"
    photo.write_bytes(picture(GREEN))
    listed = in_process("models", "list")
    assert ("imagenet/1" in listed.stdout, "built in" in listed.stdout) == (True, True)
    assert in_process("verify", "imagenet").returncode == 0
    assert in_process("classify", photo, "--format", "csv").returncode == 0
    assert in_process("bench", "--seconds", 0.1, "--largest", 1).returncode == 0
    evaluated = in_process("evaluate", "imagenet", "--data", tmp_path / "none")
    assert (evaluated.returncode, "none" in evaluated.stderr, "imagenet" in evaluated.stderr) == (2, True, False)


def test_a_folder_of_versions_asks_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    """With a path that can be copied, for every command that takes a bundle."""
    for version in (1, 10):
        write_bundle(Path("models"), version=version)
    with pytest.raises(typer.Exit):
        bundle_folder(Path("models/colours"))
    assert "models/colours is a model: name a version of it, as in models/colours/10" in capsys.readouterr().err


def test_a_folder_without_a_run_is_refused(folder: Path) -> None:
    """A run that is silently not found would let images that it trained on judge."""
    (folder / "run").mkdir()
    done = in_process("report", "imagenet", "--run", "run")
    assert (done.returncode, done.stderr) == (
        2,
        "snellen: --run: run holds no config.json, so it is no run: name RUNS/NAME/VERSION of a training\n",
    )
    (folder / "run" / "config.json").touch()
    refuse_no_run(folder / "run")
    refuse_no_run(None)
