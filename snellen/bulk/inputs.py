"""The list of all images of a run, on disk in the output folder, so that every part means the same images for good."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from snellen.bulk.sources import Entry, FoundFile, Kind

_SCHEMA = pa.schema(
    [
        ("kind", pa.int8()),
        ("name", pa.string()),
        ("address", pa.binary()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("shard_size", pa.int64()),
    ]
)
_BATCH_ROWS = 10_000
"""Rows of the list that are in memory at a time."""


class Listing(BaseModel, frozen=True):
    """What the names of the inputs come to: how many files there are, and a digest of them in their order.

    sha256: of the names of all files, and of the sizes of shards and remote files.
    """

    files: int
    sha256: str


class FileDigest:
    """Passes files on, and computes their Listing meanwhile."""

    def __init__(self) -> None:
        self._count = 0
        self._sha256 = hashlib.sha256()

    def passing(self, files: Iterable[FoundFile]) -> Iterator[FoundFile]:
        """Yield the files unchanged."""
        for file in files:
            self._count += 1
            self._sha256.update(f"{file.kind}\0{file.text}\0{file.size}\0".encode())
            yield file

    @property
    def listing(self) -> Listing:
        """The Listing of the files so far."""
        return Listing(files=self._count, sha256=self._sha256.hexdigest())


def listing_of(files: Iterable[FoundFile]) -> Listing:
    """Return the Listing of files."""
    digest = FileDigest()
    for _ in digest.passing(files):
        pass
    return digest.listing


def write_list(entries: Iterable[Entry], path: Path) -> int:
    """Write the list of all images as an Arrow file, and return their number. Raises OSError."""
    count = 0
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with path.open("wb") as sink, pa.ipc.new_file(sink, _SCHEMA, options=options) as writer:
        for some in _groups(entries, _BATCH_ROWS):
            count += len(some)
            kinds, names, addresses, *numbers = zip(*some, strict=True)
            columns = [kinds, names, [_raw(each) for each in addresses], *numbers]
            arrays = [pa.array(column, kind.type) for column, kind in zip(columns, _SCHEMA, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=_SCHEMA))
    return count


def read_list(path: Path, begin: int, end: int) -> Iterator[Entry]:
    """Yield the images from `begin` up to, but not with, `end`."""
    with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as reader:
        for index in range(begin // _BATCH_ROWS, -(-end // _BATCH_ROWS)):
            first = index * _BATCH_ROWS
            batch = reader.get_batch(index).slice(max(begin - first, 0), end - max(begin, first))
            columns = [column.to_pylist() for column in batch.columns]
            for kind, name, address, *numbers in zip(*columns, strict=True):
                yield Entry(Kind(kind), name, _address(address), *numbers)


def shards_of(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the address of each shard that the images of the list are in, and its size in bytes when it was listed."""
    with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as reader:
        for index in range(reader.num_record_batches):
            batch = reader.get_batch(index)
            inside = batch.filter(pc.not_equal(batch.column("kind"), int(Kind.FILE)))
            pairs = zip(*(inside.column(name).to_pylist() for name in ("address", "shard_size")), strict=True)
            for (address, size), _ in groupby(pairs):
                yield _address(address), size


def _address(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _raw(address: str) -> bytes:
    """Return the bytes of a path, which may be no UTF-8."""
    return address.encode("utf-8", "surrogateescape")


def _groups(entries: Iterable[Entry], size: int) -> Iterator[list[Entry]]:
    some: list[Entry] = []
    for entry in entries:
        some.append(entry)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some
