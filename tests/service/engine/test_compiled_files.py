"""Compiled models on disk: whole or not there, and never the cause of a failure."""

import os
from pathlib import Path

import pytest

from service.engine.compiled_files import CompiledFiles


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """In a folder that did not exist; no unfinished file remains."""
    files = CompiledFiles(tmp_path / "openvino" / "key")
    assert files.active
    assert files.read("fp32-1") is None
    files.write("fp32-1", b"compiled")
    assert CompiledFiles(tmp_path / "openvino" / "key").read("fp32-1") == b"compiled"
    assert [path.name for path in (tmp_path / "openvino" / "key").iterdir()] == ["fp32-1"]


@pytest.mark.parametrize("change", [lambda whole: whole[:-1], lambda whole: b"", lambda whole: whole[:-1] + b"?"])
def test_a_damaged_file_is_not_used(tmp_path: Path, change: object, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is cut off, empty or changed is reported, and the model is compiled again."""
    files = CompiledFiles(tmp_path / "key")
    files.write("fp32-1", b"compiled")
    path = tmp_path / "key" / "fp32-1"
    path.write_bytes(change(path.read_bytes()))  # type: ignore[operator]
    assert files.read("fp32-1") is None
    assert "is damaged, so the model is compiled again" in caplog.text


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line names it and the option."""
    (tmp_path / "file").write_bytes(b"")
    caplog.set_level("INFO")
    files = CompiledFiles(tmp_path / "file" / "key")
    files.write("fp32-1", b"compiled")
    assert files.read("fp32-1") is None
    assert "see --profile-cache" in caplog.text


def test_without_a_folder_nothing_is_stored(tmp_path: Path) -> None:
    """As for `snellen classify`."""
    files = CompiledFiles(None)
    files.write("fp32-1", b"compiled")
    assert not files.active
    assert files.read("fp32-1") is None


def test_the_folders_used_longest_ago_are_deleted(tmp_path: Path) -> None:
    """Each version of a model has a folder of its own, so their number is limited."""
    for number in range(40):
        CompiledFiles(tmp_path / str(number)).write("fp32-1", b"compiled")
        os.utime(tmp_path / str(number), (number, number))
    CompiledFiles(tmp_path / "20").read("fp32-1")
    CompiledFiles(tmp_path / "new").write("fp32-1", b"compiled")
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == 32
    assert {"20", "39", "new"} <= left
    assert "8" not in left
