"""A CSV or Parquet table with one row per image: columns `path`, `label` and, optionally, `split`."""

from pathlib import Path

import pyarrow as pa
from pyarrow import csv, parquet

from training.data.labels import choose_names, normalize_name, shorten
from training.data.metadata import files_dataset
from training.data.part_names import PARTS, Part, part_of
from training.data.sources.listing import Listing, listing
from training.errors import DatasetError

SUFFIXES = (".csv", ".parquet")
_COLUMNS = ("path", "label", "split")
_NEEDED = _COLUMNS[:2]


def list_table(table: Path, labels: tuple[str, ...] = ()) -> Listing:
    """List the rows in the order of the table. A relative path starts at the table's folder.

    A label is the name of a class or, where `labels` are given, also its number from 0. Raises DatasetError for a table
    that cannot be read, lacks a column, or has a row with an empty or unknown value.
    """
    columns = _read(table)
    paths, values = columns["path"], [normalize_name(value) for value in columns["label"]]
    parts = [_part(name, row, table) for row, name in enumerate(columns.get("split", ["train"] * len(paths)), start=1)]
    _check_filled({"path": paths, "label": values}, table)
    if labels:
        values = [_name(value, labels, row, table) for row, value in enumerate(values, start=1)]
    names = choose_names({v for v, part in zip(values, parts, strict=True) if part == "train"}, labels, str(table))
    numbers = {name: number for number, name in enumerate(names)}
    if strange := [name for name in values if name not in numbers]:
        raise DatasetError(f"{table} has no training image of the class {strange[0]!r}: add some, or remove its rows")
    rows = [(table.parent / path, numbers[v], part) for path, v, part in zip(paths, values, parts, strict=True)]
    return listing(files_dataset(str(table), names), rows)


def _read(table: Path) -> dict[str, list[str]]:
    """Return the known columns as text; a missing value is an empty text."""
    try:
        read = _read_csv(table) if table.suffix.casefold() == ".csv" else parquet.read_table(table)
        columns = {name: _texts(read.column(name)) for name in _COLUMNS if name in read.column_names}
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise DatasetError(f"{table} cannot be read as a table: {str(error).splitlines()[0]}") from error
    if missing := [name for name in _NEEDED if name not in columns]:
        raise DatasetError(
            f"{table} has no column {missing[0]!r}, only {shorten([ascii(name) for name in read.column_names])}: "
            "name the columns path, label and, if the parts are known, split"
        )
    if not len(read):
        raise DatasetError(f"{table} has no rows")
    return columns


def _texts(column: pa.ChunkedArray) -> list[str]:
    return ["" if value is None else value for value in column.cast(pa.string()).to_pylist()]


def _read_csv(table: Path) -> pa.Table:
    """Read the columns as text, so that the label 01 is not 1."""
    return csv.read_csv(table, convert_options=csv.ConvertOptions(column_types=dict.fromkeys(_COLUMNS, pa.string())))


def _check_filled(columns: dict[str, list[str]], table: Path) -> None:
    for name, values in columns.items():
        if "" in values:
            raise DatasetError(f"{table}, row {values.index('') + 1}: the {name} is empty")


def _part(name: str, row: int, table: Path) -> Part:
    if (part := part_of(name)) is None:
        raise DatasetError(f"{table}, row {row}: the split {name!r} is not one of {', '.join(PARTS)}")
    return part


def _name(value: str, labels: tuple[str, ...], row: int, table: Path) -> str:
    if value in labels:
        return value
    if value.isdecimal() and int(value) < len(labels):
        return labels[int(value)]
    raise DatasetError(
        f"{table}, row {row}: the label {value!r} is not one of the {len(labels)} labels, {shorten(labels)}, "
        f"nor a number from 0 to {len(labels) - 1}"
    )
