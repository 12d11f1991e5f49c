"""`snellen models list` shows what would be served, and why the rest would not."""

from pathlib import Path

from tests.snellen.command import snellen
from tests.support.bundles import change_manifest, write_bundle


def test_bundles_are_listed_and_what_is_passed_over_is_named(tmp_path: Path) -> None:
    """With what to change."""
    write_bundle(tmp_path)
    change_manifest(write_bundle(tmp_path, version=2), labels=[])
    (tmp_path / "empty").mkdir()
    done = snellen("models", "list", "--models", tmp_path)
    assert done.returncode == 0
    assert "colours/1" in done.stdout
    assert "passed over colours/2: manifest.json: labels" in done.stdout
    assert "passed over empty: holds no version" in done.stdout


def test_a_folder_without_bundles_has_status_1(tmp_path: Path) -> None:
    """And a folder that does not exist has status 2."""
    empty, missing = snellen("models", "list", "--models", tmp_path), snellen("models", "list", "--models", "nowhere")
    assert (empty.returncode, "holds no bundle that can be served" in empty.stderr) == (1, True)
    assert (missing.returncode, "there is no folder nowhere" in missing.stderr) == (2, True)


def test_the_version_is_printed() -> None:
    """Of the installed package."""
    done = snellen("--version")
    assert (done.returncode, done.stdout[:8]) == (0, "snellen ")
