"""Bytes of images, within the limit of one file."""

import os
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest

from service.errors import TooManyPixels
from snellen.bulk.errors import Stopped
from snellen.bulk.reading import Failure, ParquetReader, failure_of, read_body, size_before_reading
from snellen.bulk.sources import Entry, Kind
from tests.snellen.bulk.data import write_parquet, write_tar


def test_a_file_that_cannot_be_read_is_a_failure_of_its_own(tmp_path: Path) -> None:
    """Missing, too large, or no regular file: never the end of the run."""
    (tmp_path / "a.png").write_bytes(b"12345")
    os.mkfifo(tmp_path / "f.png")
    found = [read_body(Entry(Kind.FILE, name, str(tmp_path / name)), 4) for name in ("none.png", "a.png", "f.png")]
    assert found == [
        Failure("no such file or directory", "No such file or directory"),
        Failure("body too large", "the file is larger than 4 bytes; raise --max-bytes"),
        Failure("unsupported format", "this is not a regular file"),
    ]
    assert read_body(Entry(Kind.FILE, "a", str(tmp_path / "a.png")), 5) == b"12345"


def test_a_member_of_a_shard_is_read_where_it_lies(tmp_path: Path) -> None:
    """A larger one is not read at all, and a shard that got shorter is a failure."""
    shard = write_tar(tmp_path / "s.tar", [("a.png", b"12345")])
    entry = Entry(Kind.TAR, "s.tar/a.png", str(shard), 512, 5)
    assert read_body(entry, 5) == b"12345"
    assert isinstance(read_body(entry, 4), Failure)
    shard.write_bytes(shard.read_bytes()[:514])
    assert read_body(entry, 5) == Failure("corrupt image", "the file has another size than when it was listed")
    shard.unlink()
    with pytest.raises(Stopped, match="the same command goes on"):
        read_body(entry, 5)


def test_a_remote_file_that_is_gone_is_a_failure() -> None:
    """As a local one; its size is known from the listing."""
    fsspec.filesystem("memory").pipe("/reading/a.png", b"12345")
    entry = Entry(Kind.FILE, "memory://reading/a.png", "memory://reading/a.png", 0, 5)
    assert read_body(entry, 5) == b"12345"
    gone = read_body(entry._replace(address="memory://reading/none.png"), 5)
    assert isinstance(gone, Failure)


@pytest.mark.parametrize("size", [4, 6])
def test_a_remote_file_of_another_size_is_a_failure(size: int) -> None:
    """Its beginning alone is never classified."""
    fsspec.filesystem("memory").pipe("/reading/other.png", b"12345")
    address = "memory://reading/other.png"
    found = read_body(Entry(Kind.FILE, address, address, 0, size), 10)
    assert found == Failure("corrupt image", "the file has another size than when it was listed")


def test_how_much_is_read_is_known_before(tmp_path: Path) -> None:
    """So that reading ahead keeps to its limit of bytes."""
    (tmp_path / "a.png").write_bytes(b"12345")
    file = Entry(Kind.FILE, "a", str(tmp_path / "a.png"))
    assert [size_before_reading(file, limit) for limit in (100, 3)] == [5, 4]
    assert size_before_reading(file._replace(address="none"), 100) == 0
    assert size_before_reading(Entry(Kind.TAR, "s/a", "s", 0, 50), 100) == 50


@pytest.mark.parametrize("hugging_face", [False, True])
def test_rows_are_read_from_anywhere(tmp_path: Path, hugging_face: bool) -> None:
    """Across row groups, one after another or from a row in the middle."""
    bodies = [b"%03d" % index for index in range(50)]
    values = [{"bytes": body, "path": None} for body in bodies] if hugging_face else bodies
    path = write_parquet(tmp_path / "a.parquet", {"other": [*range(50)], "image": values}, group_rows=7)
    reader = ParquetReader("image", max_bytes=100)
    entries = [Entry(Kind.PARQUET, f"a#{row}", str(path), row) for row in range(50)]
    for begin, end in ((0, 8), (8, 16), (33, 40), (5, 50), (49, 50)):
        assert reader.read(entries[begin:end]) == bodies[begin:end]


def test_rows_without_bytes_and_with_too_many_are_failures(tmp_path: Path) -> None:
    """Of these rows only."""
    path = write_parquet(tmp_path / "a.parquet", {"image": pa.array([None, b"12345", b"1"], pa.binary())})
    entries = [Entry(Kind.PARQUET, f"a#{row}", str(path), row) for row in range(3)]
    first, second, third = ParquetReader("image", max_bytes=4).read(entries)
    assert (first, third) == (Failure("no image", "the row holds no bytes of an image"), b"1")
    assert isinstance(second, Failure)


def test_a_parquet_file_that_changed_ends_the_run(tmp_path: Path) -> None:
    """Since its rows are other images now."""
    path = write_parquet(tmp_path / "a.parquet", {"image": [b"1"]})
    entries = [Entry(Kind.PARQUET, f"a#{row}", str(path), row) for row in range(3)]
    with pytest.raises(Stopped, match="fewer rows"):
        ParquetReader("image", 4).read(entries)
    path.unlink()
    with pytest.raises(Stopped, match="cannot be read"):
        ParquetReader("image", 4).read(entries)


def test_failures_are_counted_by_what_they_are() -> None:
    """In words."""
    assert failure_of(TooManyPixels("the image is large")) == Failure("too many pixels", "the image is large")
