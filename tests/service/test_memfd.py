"""Unnamed files: in memory on Linux, on disk elsewhere, and gone with their last descriptor."""

import os
from pathlib import Path

import pytest

from service.memfd import file_in_memory, sealed_memory, unnamed_file


@pytest.fixture
def without_memfd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")


def test_sealed_memory_has_its_size_for_good() -> None:
    """No process can shrink or grow the memory that others have mapped."""
    descriptor = sealed_memory("test", 4096)
    assert os.fstat(descriptor).st_size == 4096
    for size in (0, 8192):
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, size)
    os.close(descriptor)


@pytest.mark.usefixtures("without_memfd")
def test_without_memfd_create_the_memory_is_an_unlinked_file() -> None:
    """The file is empty, has no name, and is not inherited by child processes."""
    descriptor = unnamed_file("test")
    status = os.fstat(descriptor)
    assert (status.st_size, status.st_nlink, os.get_inheritable(descriptor)) == (0, 0, False)
    os.close(descriptor)


@pytest.mark.usefixtures("without_memfd")
def test_without_memfd_create_and_a_writable_folder_it_is_an_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers handle this error as they handle a lack of memory."""
    monkeypatch.setattr("tempfile.tempdir", "/nonexistent")
    with pytest.raises(OSError, match="No such file"):
        unnamed_file("test")


def test_a_file_in_memory_can_be_read_by_its_path_within_the_block() -> None:
    """The file is gone after the block."""
    with file_in_memory("test", b"content") as path:
        assert path.read_bytes() == b"content"
    assert not path.exists()


def test_without_proc_the_path_is_of_a_temporary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is gone after the block too."""
    monkeypatch.setattr(Path, "is_dir", lambda _: False)
    with file_in_memory("test", b"content") as path:
        assert (path.parts[1] != "proc", path.read_bytes()) == (True, b"content")
    assert not path.exists()
