"""`snellen models list` shows what would be served, and why the rest would not."""

from pathlib import Path

from tests.snellen.command import in_process, snellen
from tests.support.bundles import change_manifest, write_bundle


def test_bundles_are_listed_and_what_is_passed_over_is_named(tmp_path: Path) -> None:
    """With what to change."""
    write_bundle(tmp_path)
    change_manifest(write_bundle(tmp_path, version=2), labels=[])
    (write_bundle(tmp_path, version=3) / "model.onnx").unlink()
    (tmp_path / "empty").mkdir()
    done = snellen("models", "list", "--models", tmp_path)
    assert done.returncode == 0
    assert "colours/1" in done.stdout
    assert "passed over colours/2: manifest.json: labels" in done.stdout
    assert "passed over colours/3: model.onnx is missing" in done.stdout
    assert "passed over empty: holds no version" in done.stdout
    assert "default model, for /v1/classify: colours" in done.stdout


def test_several_models_without_a_default_are_said_to_have_none(tmp_path: Path) -> None:
    """Unless the variable of the service names one."""
    write_bundle(tmp_path, "blue")
    write_bundle(tmp_path, "red")
    none, red = (in_process("models", "list", "--models", tmp_path, SNELLEN_DEFAULT_MODEL=name) for name in ("", "red"))
    assert "default model, for /v1/classify: no model: name one with --default-model" in none.stdout
    assert "default model, for /v1/classify: red" in red.stdout


def test_a_folder_without_bundles_has_status_1(tmp_path: Path) -> None:
    """And a folder that does not exist has status 2."""
    empty, missing = snellen("models", "list", "--models", tmp_path), snellen("models", "list", "--models", "nowhere")
    assert (empty.returncode, "holds no bundle that can be served" in empty.stderr) == (1, True)
    assert (missing.returncode, "there is no folder nowhere" in missing.stderr) == (2, True)


def test_the_version_is_printed() -> None:
    """Of the installed package."""
    done = snellen("--version")
    assert (done.returncode, done.stdout[:8]) == (0, "snellen ")
