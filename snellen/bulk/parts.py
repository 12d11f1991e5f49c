"""The output folder: what it was begun with, which parts are whole, and how a part becomes whole."""

import fcntl
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import zip_longest
from pathlib import Path
from secrets import token_hex
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from snellen.bulk.errors import Refused, Stopped
from snellen.bulk.inputs import Listing, shards_of
from snellen.bulk.places import place_of
from snellen.output import path_text

JOB, LIST = "_snellen.json", "_inputs.arrow"
"""Files beside the parts; readers of Parquet ignore names that begin with `_`."""
_UNFINISHED = "_unfinished-"
"""Beginning of the names of files that are being written."""
_METADATA = b"snellen"
"""Key of our metadata in the footer of a part, JSON: digest of the job, and failures by kind."""
MOST_PARTS = 100_000
"""Parts whose names have five digits, so that readers sort them in the order of the inputs."""
FORMAT = 1
"""Version of the layout of the folder."""


class Options(BaseModel, frozen=True):
    """What the rows depend on, beside the inputs. A folder that was begun with others is not continued.

    bundle: name and version. manifest: SHA-256 of its manifest, which holds those of all its files. provider: of the
    engine.
    """

    format: int = FORMAT
    bundle: str
    manifest: str
    precision: str
    provider: str
    top_k: int
    max_pixels: int
    max_bytes: int
    heic: bool
    column: str | None
    rows_per_part: int


_AS_OPTION = {"provider": "--providers", "manifest": "the files of the bundle"}
"""What a person changes, where it is not the option of the same name."""


class Job(BaseModel, frozen=True):
    """The content of `_snellen.json`. images: number of all images in the list of inputs."""

    options: Options
    arguments: list[str]
    inputs: Listing
    images: int

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, which the parts hold too."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def parts(self) -> int:
        """The number of parts."""
        return -(-self.images // self.options.rows_per_part)

    def range_of(self, part: int) -> tuple[int, int]:
        """Return the first image of a part, and the one after its last."""
        size = self.options.rows_per_part
        return part * size, min((part + 1) * size, self.images)

    def rows(self, part: int) -> int:
        """Return the number of rows of a part."""
        begin, end = self.range_of(part)
        return end - begin


class Output:
    """The folder of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder and keep other processes out of it; the lock ends with the process.

        Raises Refused for a file, a folder of other files, and a folder that another process writes.
        """
        created = not self.folder.exists()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            opened = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise Refused(f"--out {self._name}: {error.strerror}; name another folder") from error
        try:
            self._lock(opened)
            try:
                self._check_content()
                yield
            finally:
                if created and not (self.folder / JOB).exists():
                    self._remove_unbegun()
        finally:
            os.close(opened)

    def _lock(self, opened: int) -> None:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused(f"another process writes {self._name}: wait for it, or give another --out") from error
        except OSError as error:  # NFS, for example, locks no folder
            reason = error.strerror or error
            raise Refused(f"{self._name} cannot be locked: {reason}; name a folder of another file system") from error

    def _check_content(self) -> None:
        """Refuse a folder of other files; remove what a process that was killed has not finished."""
        names = os.listdir(self.folder)
        if JOB not in names and any(name != LIST and not name.startswith(_UNFINISHED) for name in names):
            raise Refused(f"{self._name} holds other files, and no {JOB}: give a new folder as --out")
        for name in names:
            if name.startswith(_UNFINISHED):
                (self.folder / name).unlink()

    def _remove_unbegun(self) -> None:
        for name in os.listdir(self.folder):
            (self.folder / name).unlink()
        self.folder.rmdir()

    @property
    def _name(self) -> str:
        return path_text(self.folder)

    def job(self) -> Job | None:
        """Return what the folder was begun with, None for a new one. Raises Refused where that cannot be read."""
        try:
            return Job.model_validate_json((self.folder / JOB).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise Refused(f"{self._name}/{JOB} cannot be read: give another --out, or remove the folder") from error

    def begin(
        self,
        write_list: Callable[[Path], int],
        options: Options,
        arguments: Sequence[str],
        listing: Callable[[], Listing],
    ) -> Job:
        """Write the list of inputs, then the job. write_list: returns the number of images. Raises Stopped.

        arguments: that name the inputs. listing: called after the list was written. Raises Refused without images.
        """
        with self._becoming(LIST) as path:
            if not (images := write_list(path)):
                raise Refused("no image found")
            if images > MOST_PARTS * options.rows_per_part:
                least = -(-images // MOST_PARTS)
                raise Refused(f"more than {MOST_PARTS:,} parts: give --rows-per-part {least} or more")
        job = Job(options=options, arguments=[*arguments], inputs=listing(), images=images)
        with self._becoming(JOB) as path:
            path.write_text(job.model_dump_json(indent=1) + "\n")
        return job

    def check_same(self, job: Job, options: Options, arguments: Sequence[str]) -> None:
        """Raise Refused where the folder was begun with other options or arguments; the sentence names the first."""
        new = options.model_dump()
        for name, old in job.options.model_dump().items():
            if old != new[name]:
                what = _AS_OPTION.get(name, f"--{name.replace('_', '-')}")
                values = "" if name == "manifest" else f": {old} then, {new[name]} now"
                raise Refused(f"{self._name} was begun with another value of {what}{values}; {_SAME}")
        if job.arguments != [*arguments]:
            pairs = zip_longest(job.arguments, arguments, fillvalue="nothing")
            then, now = next(pair for pair in pairs if pair[0] != pair[1])
            raise Refused(f"{self._name} was begun with other arguments: {then} then, {now} now; {_SAME}")

    def check_shards(self) -> None:
        """Raise Refused where a shard has another size than when the run began: its images would lie elsewhere.

        A shard that is gone is no reason to refuse, since all its images may have rows.
        """
        for address, before in shards_of(self.folder / LIST):
            try:
                size = place_of(address).size(address)
            except OSError:
                continue
            if size != before:
                raise Refused(
                    f"{place_of(address).text(address)} has {size:,} bytes, and had {before:,} when {self._name} was "
                    "begun; give another --out"
                )

    def missing(self, job: Job) -> list[int]:
        """Return the numbers of the parts that are not whole. Raises Refused for a part of something else."""
        return [part for part in range(job.parts) if not self._is_whole(job, part)]

    def _is_whole(self, job: Job, part: int) -> bool:
        path = self.path_of(part)
        if not path.exists():
            return False
        try:
            footer = _footer(path)
            own = json.loads((footer.metadata or {}).get(_METADATA, b"{}"))
        except (OSError, pa.ArrowException, ValueError) as error:
            raise Refused(f"{path_text(path)} cannot be read: remove it, and it is made again") from error
        if footer.num_rows != job.rows(part) or own.get("job") != job.digest:
            raise Refused(f"{path_text(path)} is not of this run: remove it, and it is made again")
        return True

    def failures(self, job: Job) -> Counter[str]:
        """Return how many rows of all parts failed, by kind. All parts are whole."""
        counts: Counter[str] = Counter()
        for part in range(job.parts):
            counts.update(json.loads(_footer(self.path_of(part)).metadata[_METADATA])["failures"])
        return counts

    def path_of(self, part: int) -> Path:
        """Return the path of a part."""
        return self.folder / f"part-{part:05d}.parquet"

    @contextmanager
    def writer(self, job: Job, part: int, schema: Any) -> Iterator["PartWriter"]:
        """Write a part, which appears under its name when the block ends. Raises Stopped where it cannot be written."""
        with self._becoming(self.path_of(part).name) as path, path.open("wb") as sink:
            writer = PartWriter(sink, schema)
            try:
                yield writer
                writer.close(job.digest)
            except BaseException:
                writer.abandon()
                raise

    @contextmanager
    def _becoming(self, name: str) -> Iterator[Path]:
        """Give a temporary path, and rename it to `name` after its bytes are on disk. Raises Stopped."""
        final = self.folder / name
        unfinished = self.folder / f"{_UNFINISHED}{token_hex(4)}-{name}"  # a process believed lost may still write
        try:
            yield unfinished
            _sync(unfinished)
            unfinished.rename(final)
            _sync(self.folder)
        except OSError as error:
            reason = error.strerror or error
            raise Stopped(
                f"{path_text(final)} cannot be written: {reason}; mend that, and run the same again"
            ) from error
        finally:
            unfinished.unlink(missing_ok=True)


_SAME = "give what it was begun with, or another --out"


def _footer(path: Path) -> Any:
    """Return the metadata of a Parquet file. It is opened here, since pyarrow takes `~` for the home folder."""
    with path.open("rb") as file:
        return pq.read_metadata(file)


class PartWriter:
    """Writes the rows of one part, in one row group for each table."""

    def __init__(self, sink: IO[bytes], schema: Any) -> None:
        self._writer = pq.ParquetWriter(sink, schema, compression="zstd")
        self.failures: Counter[str] = Counter()

    def write(self, table: Any, failures: Counter[str]) -> None:
        """Write a pyarrow.Table. failures: of its rows, by kind."""
        self._writer.write_table(table)
        self.failures.update(failures)

    def abandon(self) -> None:
        """Give up a part that does not become whole, so that nothing writes to its file later."""
        with suppress(OSError, pa.ArrowException):
            self._writer.close()

    def close(self, job: str) -> None:
        """Write the footer. job: digest of the job."""
        own = json.dumps({"job": job, "failures": self.failures})
        self._writer.add_key_value_metadata({_METADATA.decode(): own})
        self._writer.close()


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
