"""From the arguments to files in a fixed order, and from shards to the images in them."""

import re
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from models.contract import HEIC_SUFFIXES, is_litter, litter_kind, litter_note, suffix_counts
from snellen.bulk.errors import Refused
from snellen.bulk.places import Place, inside, is_remote, local_path, overlap, place_of

DEFAULT_COLUMN = "image"
"""The column of bytes of a Parquet file that is named as an argument. Hugging Face's data sets have it."""
TAR, PARQUET, COMPRESSED = ".tar", ".parquet", (".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tar.xz")
_BLOCK = 512
"""Bytes of a header of a tar archive."""
_PASSWORD = re.compile(r"(?<=.)://[^/]*:[^/]*@")
"""A user's name and password in an address."""


class Kind(IntEnum):
    """What a file is: an image, or a shard that holds images."""

    FILE = 0
    TAR = 1
    PARQUET = 2


class FoundFile(NamedTuple):
    """A file of the inputs. text: its address for people. size: bytes of shards and remote files, else 0."""

    kind: Kind
    address: str
    text: str
    size: int


class Entry(NamedTuple):
    """One image.

    name: unique among all images; the row's `path`. address: the file, or the shard that holds it. offset: byte in the
    tar shard, or row in the Parquet file. size: bytes, 0 where that is not known before reading. shard_size: bytes of
    the shard, 0 for a file.
    """

    kind: Kind
    name: str
    address: str
    offset: int = 0
    size: int = 0
    shard_size: int = 0


@dataclass
class PassedOver:
    """Counts of files that are no images, by kind, so that millions of them take no memory."""

    others: Counter[str] = field(default_factory=Counter)
    litter: Counter[str] = field(default_factory=Counter)
    links: int = 0

    def note_name(self, name: str) -> None:
        """Count a file that is no image."""
        self.others[f"file{PurePosixPath(name).suffix.lower()}"] += 1

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each reason to pass over files."""
        if total := self.others.total():
            counts = suffix_counts(self.others.elements())
            files = "file that does" if total == 1 else "files that do"
            yield f"passed over {total:,} {files} not end as images do: {counts}"
        if any(f"file{suffix}" in self.others for suffix in HEIC_SUFFIXES):
            yield "convert HEIC photos to JPEG, or read them with --heic"
        if "file.parquet" in self.others:
            yield "Parquet files in folders are read with --column NAME, the column that holds the images"
        if self.litter:
            yield litter_note(self.litter.elements())
        if self.links:
            links = "symbolic link to a folder" if self.links == 1 else "symbolic links to folders"
            yield f"passed over {self.links:,} {links}: name these folders as arguments"


@dataclass(frozen=True)
class Sources:
    """The arguments, and how they are read.

    suffixes: ends of the names of images. column: of the Parquet files; where it is None, those in folders are passed
    over. output: the folder that the results go to, which is never an input.
    """

    arguments: tuple[str, ...]
    suffixes: tuple[str, ...]
    column: str | None
    output: Path

    @property
    def names(self) -> list[str]:
        """The arguments as text; `folder`, `folder/` and `./folder` are the same. Raises Refused."""
        trimmed = [each.rstrip("/") or each for each in self.arguments]
        return [place_of(each).text(each) for each in trimmed]

    def files(self, passed_over: PassedOver) -> Iterator[FoundFile]:
        """Yield images and shards in the order of the arguments, those in folders sorted by name.

        Only the names of one folder, and of those above it, are in memory. Raises Refused.
        """
        if secret := next(filter(_PASSWORD.search, self.arguments), None):
            shown = _PASSWORD.sub("://", secret)
            raise Refused(
                f"{shown} was given with a password, which every row would show: leave it out, and set it as the "
                "package for this store, or the configuration of fsspec, has it"
            )
        if both := overlap(self.arguments):
            raise Refused(f"{both[1]} is also read with {both[0]}: name each image once")
        for argument in self.arguments:
            place = place_of(argument)
            try:
                if place.is_folder(argument):
                    yield from self._below(place, argument, passed_over)
                elif not place.exists(argument):
                    raise Refused(f"there is no file or folder {place.text(argument)}")
                else:
                    yield self._file(place, argument, -1)
            except OSError as error:
                raise Refused(f"{place.text(argument)} cannot be listed: {error.strerror or error}") from error

    def _below(self, place: Place, folder: str, passed_over: PassedOver) -> Iterator[FoundFile]:
        try:
            listed = place.listed(folder)
        except OSError as error:
            raise Refused(f"folder {place.text(folder)} cannot be listed: {error.strerror or error}") from error
        for each in listed:
            address = inside(folder, each.name)
            if is_litter(each.name):
                passed_over.litter[litter_kind(each.name)] += 1
            elif each.link:
                passed_over.links += 1
            elif each.is_folder:
                if each.name != self.output.name or local_path(address) != local_path(str(self.output)):
                    yield from self._below(place, address, passed_over)
            elif self._is_input(each.name):
                yield self._file(place, address, each.size)
            else:
                passed_over.note_name(each.name)

    def _is_input(self, name: str) -> bool:
        lower = name.lower()
        shards = (TAR, *COMPRESSED) if self.column is None else (TAR, *COMPRESSED, PARQUET)
        return lower.endswith(self.suffixes + shards)

    def _file(self, place: Place, address: str, size: int) -> FoundFile:
        """Return a file with its kind. size: -1 where the listing does not have it. Raises Refused."""
        lower, text = address.lower(), place.text(address)
        if lower.endswith(COMPRESSED):
            raise Refused(
                f"{text} is a compressed archive, in which no image can be read by itself: make it a plain .tar"
            )
        kind = Kind.TAR if lower.endswith(TAR) else Kind.PARQUET if lower.endswith(PARQUET) else Kind.FILE
        if size < 0 and (kind is not Kind.FILE or is_remote(address)):
            size = place.size(address)
        return FoundFile(kind, address, text, max(size, 0))

    def images(self, files: Iterable[FoundFile], passed_over: PassedOver) -> Iterator[Entry]:
        """Yield the images of the files. Raises Refused for a shard that is damaged or has no such column."""
        for file in files:
            match file.kind:
                case Kind.FILE:
                    yield Entry(file.kind, file.text, file.address, 0, file.size)
                case Kind.TAR:
                    yield from self._members(file, passed_over)
                case Kind.PARQUET:
                    for row in range(self._rows(file)):
                        yield Entry(file.kind, f"{file.text}#{row}", file.address, row, 0, file.size)

    def _members(self, file: FoundFile, passed_over: PassedOver) -> Iterator[Entry]:
        """Yield the images of a tar shard; their names are never used as paths. Only the names are in memory."""
        names: Counter[str] = Counter()
        try:
            with place_of(file.address).open(file.address) as stream:
                for member in _headers(stream):
                    name = member.name.encode("utf-8", "surrogateescape").decode(errors="backslashreplace")
                    if not self._is_member(name, member, passed_over):
                        continue
                    names[name] += 1
                    unique = name if names[name] == 1 else f"{name}#{names[name]}"
                    text, begin = f"{file.text}/{unique}", member.offset_data
                    yield Entry(file.kind, text, file.address, begin, member.size, file.size)
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise Refused(f"{file.text} is not a tar archive, or damaged: {error}; fetch or make it again") from error
        except OSError as error:
            raise Refused(f"{file.text} cannot be read: {error.strerror or error}") from error

    def _is_member(self, name: str, member: tarfile.TarInfo, passed_over: PassedOver) -> bool:
        if member.isdir():
            return False
        parts = [part for part in PurePosixPath(name).parts if part not in {".", ".."}]
        if litter := next(filter(is_litter, parts), None):
            passed_over.litter[litter_kind(litter)] += 1
            return False
        if member.isreg() and not member.issparse() and name.lower().endswith(self.suffixes):
            return True
        passed_over.note_name(name)
        return False

    def _rows(self, file: FoundFile) -> int:
        """Return the number of rows of a Parquet file. Raises Refused where it has no column of images."""
        try:
            with place_of(file.address).open(file.address) as stream, pq.ParquetFile(stream) as table:
                image_column(table.schema_arrow, self.column or DEFAULT_COLUMN, file.text)
                return int(table.metadata.num_rows)
        except pa.ArrowException as error:
            raise Refused(f"{file.text} is not a Parquet file, or damaged: fetch or make it again") from error
        except OSError as error:
            raise Refused(f"{file.text} cannot be read: {error.strerror or error}") from error


def image_column(schema: Any, name: str, file: str) -> str:
    """Return the path of the column of bytes: `name`, or `name.bytes` where it is Hugging Face's struct.

    schema: pyarrow.Schema. Raises Refused.
    """
    if name not in schema.names:
        raise Refused(f"{file} has no column {name}; it has {', '.join(schema.names)}: name one with --column")
    kind, path = schema.field(name).type, name
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind, path = kind.field("bytes").type, f"{name}.bytes"
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise Refused(f"column {name} of {file} holds {kind}, not bytes of images: name another one with --column")
    return path


def _headers(stream: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """Yield the members of a tar archive without keeping them. Raises tarfile.TarError for a damaged one."""
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # unknown to typeshed
            yield member
        stream.seek(archive.offset)  # tarfile takes a damaged header for the end
        if any(stream.read(_BLOCK)):
            raise tarfile.ReadError(f"the header at byte {archive.offset} is damaged")
