"""Local folders and addresses of fsspec."""

import sys
from pathlib import Path

import fsspec
import pytest

from snellen.bulk.errors import Refused
from snellen.bulk.places import Listed, inside, is_remote, overlap, place_of


def test_a_remote_folder_is_listed_and_read_like_a_local_one(tmp_path: Path) -> None:
    """Sorted, with sizes; parts of files are read without the rest."""
    files = fsspec.filesystem("memory")
    files.pipe("/photos/b.png", b"0123456789")
    files.pipe("/photos/a/c.png", b"")
    place = place_of("memory://photos")
    assert place.listed("memory://photos") == [Listed("a", True, size=0), Listed("b.png", False, size=10)]
    assert place.is_folder("memory://photos/a")
    assert (place.exists("memory://photos/b.png"), place.exists("memory://none")) == (True, False)
    assert place.read("memory://photos/b.png", 2, 3) == b"234"
    assert place.read("memory://photos/a/c.png", 0, 0) == b""
    assert place.size("memory://photos/b.png") == 10
    assert inside("memory://photos/", "b.png") == "memory://photos/b.png"
    (tmp_path / "b.png").write_bytes(b"0123456789")
    assert place_of(str(tmp_path)).read(str(tmp_path / "b.png"), 2, 3) == b"234"
    assert place_of(f"file://{tmp_path}").listed(f"file://{tmp_path}") == [Listed("b.png", False, size=10)]


def test_a_link_to_itself_is_a_file(tmp_path: Path) -> None:
    """Which cannot be read; the folder can."""
    (tmp_path / "a.png").symlink_to(tmp_path / "a.png")
    assert place_of("a").listed(str(tmp_path)) == [Listed("a.png", False)]


def test_a_store_without_its_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the package."""
    with pytest.raises(Refused, match="^nothing:// cannot be read: .*"):
        place_of("nothing://bucket")
    with pytest.raises(Refused, match="^zip:// cannot be read: "):
        place_of("zip://photos")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(Refused, match="^gs:// cannot be read: .*gcsfs"):
        place_of("gs://bucket")


class NoCredentialsError(Exception):
    """An error of a package of a store, which is no OSError."""


def test_errors_of_a_store_are_errors_of_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of a disk, so that they end in one sentence."""

    def fail(*_: object, **__: object) -> None:
        raise NoCredentialsError("Unable to locate credentials")

    store, place = fsspec.filesystem("memory", use_listings_cache=False), place_of("memory://photos")
    for name in ("exists", "isdir", "ls", "info", "open", "cat_file"):
        monkeypatch.setattr(type(store), name, fail)
    address = "memory://photos/a.png"
    for ask in (place.exists, place.is_folder, place.listed, place.size, place.open, lambda it: place.read(it, 0, 1)):
        with pytest.raises(OSError, match="^Unable to locate credentials$"):
            ask(address)


def test_addresses_are_told_from_paths() -> None:
    """By `://`."""
    assert is_remote("s3://bucket/folder")
    assert not is_remote("photos/a:b.png")


def test_overlapping_arguments_are_found() -> None:
    """Equal ones, and one inside the other."""
    assert overlap(["s3://a/b", "s3://a/bc", "/x"]) is None
    assert overlap(["s3://a/b/c", "s3://a/b"]) == ("s3://a/b", "s3://a/b/c")
    assert overlap(["/x/y", "/x/../x/y"]) == ("/x/y", "/x/../x/y")
    assert overlap(["/x", "file:///x/y"]) == ("/x", "file:///x/y")
