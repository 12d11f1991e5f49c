"""What is read of a repository folder, and what is not there yet."""

import os
import shutil
from pathlib import Path

import pytest

from models.contract import read_bundle
from service.repository.scan import RepositoryError, fingerprint, missing_part, require_bundles, scan
from tests.support.bundles import change_manifest, write_bundle


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """So that nothing retires because a network file system is away."""
    with pytest.raises(RepositoryError, match="there is no folder"):
        scan(tmp_path / "away")
    assert scan(tmp_path).bundles == {}
    with pytest.raises(RepositoryError, match="no bundle"):
        require_bundles(scan(tmp_path), tmp_path)


def test_a_repository_is_read_with_the_reasons_of_what_is_passed_over(tmp_path: Path) -> None:
    """By name; a model with a version that cannot be read is broken."""
    write_bundle(tmp_path)
    change_manifest(write_bundle(tmp_path, version=2), labels=[])
    (tmp_path / "empty").mkdir()
    found = scan(tmp_path)
    assert found.bundles.keys() == {"colours/1"}
    assert found.passed_over.keys() == {"colours/2", "empty"}
    assert found.broken == {"colours"}


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (None, "latest"),
        ("", "is empty"),
        ("2\n", "2"),
        (" latest ", "latest"),
        ("02", "2"),
        ("x" * 99, f"holds '{'x' * 40}'"),
    ],
)
def test_the_default_version_is_read_from_the_folder_of_the_model(
    tmp_path: Path, content: str | None, wanted: str
) -> None:
    """A file that is not there means the newest; one that is empty does not, since it may be about to be written."""
    write_bundle(tmp_path)
    if content is not None:
        (tmp_path / "colours/default").write_text(content)
    assert scan(tmp_path).wanted == {"colours": wanted}


def test_a_pipe_in_place_of_the_default_is_not_waited_for(tmp_path: Path) -> None:
    """Whether no process has it open to write to it, or one has and writes nothing."""
    write_bundle(tmp_path)
    os.mkfifo(tmp_path / "colours/default")
    assert scan(tmp_path).wanted == {"colours": "is empty"}
    with open(tmp_path / "colours/default", "r+b", buffering=0):
        assert scan(tmp_path).wanted == {"colours": "is empty"}


def test_folders_in_place_of_files_leave_no_descriptor_open(tmp_path: Path) -> None:
    """The folder is read every time that something in it changes."""
    write_bundle(tmp_path)
    (tmp_path / "colours/default").mkdir()
    (tmp_path / "colours/2/manifest.json").mkdir(parents=True)
    before = len(os.listdir("/dev/fd"))
    found = scan(tmp_path)
    assert len(os.listdir("/dev/fd")) == before
    assert found.wanted == {"colours": "cannot be read (Is a directory)"}
    assert found.passed_over["colours/2"] == "manifest.json cannot be read: Is a directory"


def test_a_model_that_is_copied_under_a_hidden_name_is_not_looked_at(tmp_path: Path) -> None:
    """It is renamed when it is complete; so is one with an underscore at the beginning."""
    write_bundle(tmp_path)
    for name in (".colours", "_colours"):
        shutil.copytree(tmp_path / "colours", tmp_path / name)
    found = scan(tmp_path)
    assert found.bundles.keys() == {"colours/1"}
    assert not found.passed_over
    assert not found.broken


def test_a_bundle_is_complete_when_every_file_has_its_length(tmp_path: Path) -> None:
    """While a folder is copied, files are missing or shorter; a longer one will not become right by waiting."""
    folder = write_bundle(tmp_path)
    bundle = read_bundle(folder)
    assert missing_part(bundle) is None
    model = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(model[:100])
    assert missing_part(bundle) == f"model.onnx has 100 of {len(model):,} bytes"
    (folder / "model.onnx").write_bytes(model + b"x")
    assert missing_part(bundle) is None
    (folder / "golden/red.png").unlink()
    assert missing_part(bundle) == "golden/red.png is missing"


def test_a_fingerprint_changes_with_any_file(tmp_path: Path) -> None:
    """Also when the manifest stays the same."""
    folder = write_bundle(tmp_path)
    before = fingerprint(read_bundle(folder))
    assert fingerprint(read_bundle(folder)) == before
    (folder / "model.onnx").chmod(0o600)
    closed = fingerprint(read_bundle(folder))
    (folder / "model.onnx").write_bytes(b"damaged")
    damaged = fingerprint(read_bundle(folder))
    (folder / "model.onnx").unlink()
    assert len({before, closed, damaged, fingerprint(read_bundle(folder))}) == 4
