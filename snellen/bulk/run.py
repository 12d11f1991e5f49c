"""Classifies parts of a run in threads, and writes them in their order."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from threading import Semaphore

from models.contract import usable_cores
from service.inference.offline import OfflineClassifier
from snellen.bulk.ahead import Batch, Body, ReadAhead, in_order
from snellen.bulk.inputs import read_list
from snellen.bulk.parts import LIST, Job, Output, PartWriter
from snellen.bulk.reading import Failure, ParquetReader, read_body, size_before_reading
from snellen.bulk.rows import Ranked, RowTable, ranked, schema_of
from snellen.bulk.sources import DEFAULT_COLUMN, Entry, Kind

_READERS = 16
"""Batches that are read, from disks or from a store, while all cores decode and run others."""
_ROWS, _CLASSES = 10_000, 200_000
"""Limits of the rows, and of the classes in them, that are in memory until they are written; a class takes 120 B."""

Results = list[Ranked | Failure]


def classify_parts(
    classifier: OfflineClassifier,
    output: Output,
    parts: Iterable[int],
    *,
    batch: int = 1,
    cores: int | None = None,
    read_ahead: ReadAhead | None = None,
    on_classified: Callable[[int], None] = lambda _: None,
) -> None:
    """Classify the images of some parts of a run that was begun in `output`, and write these parts.

    Several processes may do this for different parts. parts: ascending numbers. batch: images that run
    together. cores: that decode and run; None for all. on_classified: called with the number of images after each
    batch. Raises Stopped; parts that are whole stay.
    """
    job = output.job()
    assert job is not None, "the run was begun"
    work = _Work(classifier, job, batch, cores or usable_cores())
    rows = RowTable(schema_of(classifier.manifest), classifier.manifest.labels)
    pool = ThreadPoolExecutor(work.cores + _READERS, thread_name_prefix="bulk")
    try:
        done = in_order(work.batches(output, parts), work.classify, pool, read_ahead or ReadAhead())
        _write(done, output, job, rows, on_classified)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Work:
    """How batches are made and classified."""

    def __init__(self, classifier: OfflineClassifier, job: Job, batch: int, cores: int) -> None:
        self.cores = max(cores, classifier.engine.concurrency)
        self._classifier = classifier
        self._job = job
        self._max_bytes = job.options.max_bytes
        self._batch = batch
        self._parquet = ParquetReader(job.options.column or DEFAULT_COLUMN, self._max_bytes)
        self._slots = Semaphore(self.cores)

    def batches(self, output: Output, parts: Iterable[int]) -> Iterator[Batch]:
        """Yield the batches of the parts in their order. Rows of Parquet files are read here, one after another."""
        for part in parts:
            for entries in self._together(read_list(output.folder / LIST, *self._job.range_of(part))):
                bodies: list[Body] | None = None
                if entries[0].kind is Kind.PARQUET:
                    bodies = self._parquet.read(entries)
                    size = sum(len(body) for body in bodies if isinstance(body, bytes))
                else:
                    size = sum(size_before_reading(entry, self._max_bytes) for entry in entries)
                yield Batch(part, entries, bodies, size)

    def _together(self, entries: Iterable[Entry]) -> Iterator[list[Entry]]:
        """Yield the entries of a batch each: rows of Parquet files apart from others, and file by file."""
        batch: list[Entry] = []
        for entry in entries:
            if batch and (len(batch) == self._batch or _shard(batch[0]) != _shard(entry)):
                yield batch
                batch = []
            batch.append(entry)
        if batch:
            yield batch

    def classify(self, batch: Batch) -> Results:
        """Read the bodies, then decode and run them while this thread holds one of the cores."""
        bodies = batch.bodies
        if bodies is None:
            bodies = [read_body(entry, self._max_bytes) for entry in batch.entries]
        thresholds = self._classifier.manifest.thresholds
        with self._slots:
            found = self._classifier.classify_batch([body for body in bodies if isinstance(body, bytes)])
            results = iter([ranked(each, thresholds) for each in found])
        return [body if isinstance(body, Failure) else next(results) for body in bodies]


def _shard(entry: Entry) -> str:
    """Return the Parquet file of an entry; empty for all others, which are read each by itself."""
    return entry.address if entry.kind is Kind.PARQUET else ""


def _write(
    done: Iterator[tuple[Batch, Results]],
    output: Output,
    job: Job,
    rows: RowTable,
    on_classified: Callable[[int], None],
) -> None:
    """Write classified batches to the parts that they belong to."""
    most = min(_ROWS, max(1, _CLASSES // job.options.top_k))
    for part, some in groupby(done, key=lambda pair: pair[0].part):
        with output.writer(job, part, rows.schema) as writer:
            names, results = list[str](), Results()
            for batch, found in some:
                names += [entry.name for entry in batch.entries]
                results += found
                on_classified(len(found))
                if len(names) >= most:
                    _write_rows(writer, rows, names, results)
            if names:
                _write_rows(writer, rows, names, results)


def _write_rows(writer: PartWriter, rows: RowTable, names: list[str], results: Results) -> None:
    """Write rows, and empty the lists."""
    failures = Counter(each.kind for each in results if isinstance(each, Failure))
    writer.write(rows.table(names, results), failures)
    names.clear()
    results.clear()
