"""The bytes of a few images at a time, within the limit of one file."""

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from service.errors import BodyTooLarge, CorruptImage, ServiceError
from snellen.bulk.errors import Refused, Stopped
from snellen.bulk.places import is_remote, place_of
from snellen.bulk.sources import Entry, Kind, image_column
from snellen.image_files import read_image

_AGAIN = "the same command goes on after the last whole part"
_READ_ROWS = 16
"""Rows of a Parquet file that are decoded at a time."""
_BUFFER_BYTES = 1 << 20
"""Bytes of a column that are read at a time, instead of a whole row group."""


class Failure(NamedTuple):
    """Why an image has no class. kind: in two or three words, for counts."""

    kind: str
    reason: str


def failure_of(error: ServiceError | OSError) -> Failure:
    """Return why an image has no class: of an error of decoding, of the engine, or of reading a file."""
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return Failure(reason.lower(), reason)
    return Failure(re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower(), error.detail)


def size_before_reading(entry: Entry, max_bytes: int) -> int:
    """Return how many bytes reading an image takes at most, 0 where it cannot be read at all."""
    if entry.kind is Kind.FILE and not is_remote(entry.address):
        try:
            size = place_of(entry.address).size(entry.address)
        except OSError:
            return 0
    else:
        size = entry.size
    return min(size, max_bytes + 1)


def read_body(entry: Entry, max_bytes: int) -> bytes | Failure:
    """Return the bytes of an image that is a file or in a tar shard, or why it has none.

    Raises Stopped where a store or a shard cannot be read: that is not about this image.
    """
    try:
        if entry.kind is Kind.FILE and not is_remote(entry.address):
            return read_image(Path(entry.address), max_bytes)
        if entry.size > max_bytes:
            raise too_large(max_bytes)
        more = int(entry.kind is Kind.FILE and entry.size > 0)  # of an empty range a store may have an error
        body = place_of(entry.address).read(entry.address, entry.offset, entry.size + more)
        if len(body) != entry.size:
            raise CorruptImage("the file has another size than when it was listed")
    except ServiceError as error:
        return failure_of(error)
    except OSError as error:
        if entry.kind is Kind.TAR or (is_remote(entry.address) and not isinstance(error, FileNotFoundError)):
            raise Stopped(f"{entry.name} cannot be read: {error.strerror or error}; {_AGAIN}") from error
        return failure_of(error)
    return body


def too_large(max_bytes: int) -> BodyTooLarge:
    """Return the error for an image of too many bytes."""
    return BodyTooLarge(f"the file is larger than {max_bytes} bytes; raise --max-bytes")


class ParquetReader:
    """Reads rows of Parquet files. Where the next rows follow the last ones, it goes on without opening the file again.

    Used by one thread.
    """

    def __init__(self, column: str, max_bytes: int) -> None:
        self._column, self._max_bytes = column, max_bytes
        self._address, self._row = "", 0
        self._bodies: Iterator[bytes | None] = iter(())

    def read(self, entries: list[Entry]) -> list[bytes | Failure]:
        """Return the bytes of consecutive rows of one file, or why a row has none. Raises Stopped."""
        first = entries[0]
        try:
            if (self._address, self._row) != (first.address, first.offset):
                self._bodies = _bodies(first.address, self._column, first.offset)
            found = list(islice(self._bodies, len(entries)))
        except (OSError, pa.ArrowException, Refused) as error:
            reason = " ".join(str(error).split())
            raise Stopped(f"{first.name} and the next rows cannot be read: {reason}; {_AGAIN}") from error
        if len(found) != len(entries):
            raise Stopped(f"{os.fspath(first.address)} has fewer rows than when it was listed; give another --out")
        self._address, self._row = first.address, first.offset + len(entries)
        return [self._checked(body) for body in found]

    def _checked(self, body: bytes | None) -> bytes | Failure:
        if body is None:
            return Failure("no image", "the row holds no bytes of an image")
        return failure_of(too_large(self._max_bytes)) if len(body) > self._max_bytes else body


def _bodies(address: str, column: str, row: int) -> Iterator[bytes | None]:
    """Yield the images of a Parquet file from a row on."""
    place = place_of(address)
    with place.open(address) as stream, pq.ParquetFile(stream, buffer_size=_BUFFER_BYTES, pre_buffer=False) as table:
        path = image_column(table.schema_arrow, column, place.text(address))
        groups, skipped = _groups_from(table.metadata, row)
        for batch in table.iter_batches(_READ_ROWS, row_groups=groups, columns=[path], use_threads=False):
            values = batch.column(0)
            images = values.field("bytes") if pa.types.is_struct(values.type) else values
            begin, skipped = min(skipped, len(images)), max(skipped - len(images), 0)
            yield from (each.as_py() for each in images[begin:])


def _groups_from(metadata: Any, row: int) -> tuple[list[int], int]:
    """Return the row groups that hold the rows from `row` on, and how many rows of the first one come before it."""
    before = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if before + rows > row:
            return [*range(group, metadata.num_row_groups)], row - before
        before += rows
    return [], 0
