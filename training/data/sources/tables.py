"""A table with one row per image, as text or Parquet: path, label and, optionally, part."""

import re
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from training.data.labels import choose_names, instead_of, normalize_name, printable, shorten
from training.data.metadata import files_dataset
from training.data.sources.label_table import LabelTable, read_label_table, table_rows
from training.data.sources.listing import Listing, listing
from training.data.sources.table_columns import Columns, described, named_columns
from training.data.sources.table_text import TEXT_SUFFIXES
from training.errors import DatasetError

_NUMBER = re.compile(r"([0-9]{1,9})(?:\.0+)?")
"""A number of a class, also as programs write whole numbers in a column where values are missing: 1.0."""
_PARQUET = ".parquet"
SUFFIXES = (*TEXT_SUFFIXES, _PARQUET)


def list_table(table: Path, labels: tuple[str, ...] = ()) -> Listing:
    """List the rows in the order of the table. A relative path starts at the table's folder.

    A label is the name of a class or, where `labels` are given, also its number from 0. Raises DatasetError for a table
    that cannot be read, lacks a column, or has a row with an empty or unknown value.
    """
    parquet_file = is_parquet(table)
    read = read_parquet_table(table) if parquet_file else read_label_table(table, empty_labels=False)
    parts = [row.part or "train" for row in read.rows]
    values = [normalize_name(row.label) for row in read.rows]
    if labels:
        values = [_name(value, labels, row, table) for row, value in enumerate(values, start=1)]
    names = choose_names(
        {v for v, part in zip(values, parts, strict=True) if part == "train"}, labels, printable(table)
    )
    numbers = {name: number for number, name in enumerate(names)}
    if strange := [name for name in values if name not in numbers]:
        raise DatasetError(
            f"{printable(table)} has no training image of the class {strange[0]!r}: "
            f"{instead_of(strange[0], names) or 'add some, or remove its rows'}"
        )
    rows = [(row.path, numbers[v], part) for row, v, part in zip(read.rows, values, parts, strict=True)]
    return listing(files_dataset(table, names), rows, read.notes)


def is_parquet(path: Path) -> bool:
    """Return whether a path has the suffix of Parquet tables."""
    return path.suffix.casefold() == _PARQUET


def read_parquet_table(table: Path) -> LabelTable:
    """Read a Parquet table as `read_label_table` reads text. Raises DatasetError."""
    try:
        whole = parquet.read_table(table)
        names = list(whole.column_names)
        chosen = named_columns(names, table)
        columns = [_texts(whole.column(place)) for place in chosen if place is not None]
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise DatasetError(f"{printable(table)} cannot be read as a table: {str(error).splitlines()[0]}") from error
    records = [list(record) for record in zip(*columns, strict=True)]
    places = Columns(0, 1, 2 if len(columns) > 2 else None)
    read = table_rows(table, records, places, width=len(columns), empty_labels=False)
    note = described(names, chosen)
    return LabelTable(read.rows, (*([f"{printable(table)} {note}"] if note else []), *read.notes))


def _texts(column: pa.ChunkedArray) -> list[str]:
    return ["" if value is None else value for value in column.cast(pa.string()).to_pylist()]


def _name(value: str, labels: tuple[str, ...], row: int, table: Path) -> str:
    if value in labels:
        return value
    if (number := _NUMBER.fullmatch(value)) and int(number[1]) < len(labels):
        return labels[int(number[1])]
    raise DatasetError(
        f"{table}, row {row}: the label {value!r} is not one of the {len(labels)} labels, {shorten(labels)}, "
        f"nor a number from 0 to {len(labels) - 1}"
    )
