"""Where files are: the local file system, or an address such as s3://bucket/folder, read with fsspec."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from snellen.bulk.errors import Refused
from snellen.extras import missing_message
from snellen.output import path_text


class Listed(NamedTuple):
    """A name in a folder. link: whether it is a symbolic link to a folder. size: bytes, -1 where that is not known."""

    name: str
    is_folder: bool
    link: bool = False
    size: int = -1


class Place(Protocol):
    """A file system. Addresses are those of the arguments, and what `inside` makes of them."""

    def exists(self, address: str) -> bool: ...

    def is_folder(self, address: str) -> bool: ...

    def listed(self, folder: str) -> list[Listed]:
        """Return what a folder holds, sorted by name. Raises OSError."""
        ...

    def size(self, address: str) -> int:
        """Return the size in bytes. Raises OSError."""
        ...

    def open(self, address: str) -> IO[bytes]:
        """Open a file from which any part can be read. Raises OSError."""
        ...

    def read(self, address: str, begin: int, count: int) -> bytes:
        """Return at most `count` bytes from `begin` on, fewer at the end of the file. Raises OSError."""
        ...

    def text(self, address: str) -> str:
        """Return an address for people and for rows, in characters that UTF-8 can hold."""
        ...


class LocalPlace:
    """The local file system."""

    def exists(self, address: str) -> bool:
        return os.path.lexists(address)

    def is_folder(self, address: str) -> bool:
        return os.path.isdir(address)

    def listed(self, folder: str) -> list[Listed]:
        """Return what a folder holds, sorted by name. Symbolic links to folders are marked. Raises OSError."""
        with os.scandir(folder) as entries:
            found = [_local(entry) for entry in entries]
        return sorted(found)

    def size(self, address: str) -> int:
        """Return the size in bytes, 0 for what is no regular file. Raises OSError."""
        found = os.stat(address)
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    def open(self, address: str) -> IO[bytes]:
        return Path(address).open("rb")

    def read(self, address: str, begin: int, count: int) -> bytes:
        with self.open(address) as stream:
            stream.seek(begin)
            return stream.read(count)

    def text(self, address: str) -> str:
        return path_text(Path(address))


def _local(entry: "os.DirEntry[str]") -> Listed:
    try:
        is_folder = entry.is_dir()
    except OSError:  # a link to itself
        is_folder = False
    link = is_folder and entry.is_symlink()
    return Listed(entry.name, is_folder and not link, link)


class RemotePlace:
    """A file system of fsspec. Errors of its own, such as missing credentials, become OSError."""

    def __init__(self, files: Any) -> None:
        """files: the fsspec.AbstractFileSystem."""
        self._files = files

    def exists(self, address: str) -> bool:
        with _store_errors():
            return bool(self._files.exists(address))

    def is_folder(self, address: str) -> bool:
        with _store_errors():
            return bool(self._files.isdir(address))

    def listed(self, folder: str) -> list[Listed]:
        """Return what a folder holds, sorted by name, without the folder itself, which some stores list too."""
        with _store_errors():
            inside = self._files.ls(folder, detail=True)
        own = self._files._strip_protocol(folder).rstrip("/")
        names = [each for each in inside if each["name"].rstrip("/") != own]
        return sorted(_remote(each) for each in names)

    def size(self, address: str) -> int:
        with _store_errors():
            return int(self._files.info(address).get("size") or 0)

    def open(self, address: str) -> IO[bytes]:
        with _store_errors():
            opened: IO[bytes] = self._files.open(address, "rb")
        return opened

    def read(self, address: str, begin: int, count: int) -> bytes:
        """Return at most `count` bytes from `begin` on. One request; an empty range is none."""
        with _store_errors():
            return bytes(self._files.cat_file(address, start=begin, end=begin + count)) if count else b""

    def text(self, address: str) -> str:
        return address.encode(errors="backslashreplace").decode()


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # the exceptions of the packages of stores have no common base
        raise OSError(" ".join(str(error).split()) or type(error).__name__) from error


def _remote(info: "dict[str, Any]") -> Listed:
    name = info["name"].rstrip("/").rsplit("/", 1)[-1]
    return Listed(name, info["type"] == "directory", size=int(info.get("size") or 0))


def is_remote(address: str) -> bool:
    """Return whether an argument is an address for fsspec, such as s3://bucket/folder."""
    return "://" in address


def place_of(address: str) -> Place:
    """Return the file system of an address. Raises Refused where a package for it is missing."""
    return _remote_place(address.partition("://")[0]) if is_remote(address) else _LOCAL


_LOCAL = LocalPlace()


@cache
def _remote_place(protocol: str) -> RemotePlace:
    if find_spec("fsspec") is None:
        raise Refused(f"{protocol}:// is read with fsspec: {missing_message(['fsspec'], 'bulk')}")
    import fsspec

    try:
        return RemotePlace(fsspec.filesystem(protocol, use_listings_cache=False))
    except (
        ImportError,
        OSError,
        TypeError,
        ValueError,
    ) as error:  # such as a missing package, or zip:// without a file
        raise Refused(f"{protocol}:// cannot be read: {' '.join(str(error).split())}") from error


def inside(folder: str, name: str) -> str:
    """Return the address of a name in a folder."""
    return f"{folder.rstrip('/')}/{name}" if is_remote(folder) else os.path.join(folder, name)


def local_path(address: str) -> str:
    """Return the real path of a local file or folder, also of file://; any other address without `/` at its end."""
    protocol, separator, rest = address.partition("://")
    if separator and protocol not in {"file", "local"}:
        return address.rstrip("/")
    return os.path.realpath(rest if separator else address)


def overlap(addresses: Iterable[str]) -> tuple[str, str] | None:
    """Return two arguments of which one is, or is inside, the other; None where there are none."""
    keys: dict[str, str] = {}
    for address in addresses:
        key = local_path(address)
        if key in keys:
            return keys[key], address
        keys[key] = address
    for key, address in keys.items():
        above = key
        while (shorter := above.rpartition("/")[0]) and shorter != above:
            above = shorter
            if above in keys:
                return keys[above], address
    return None
