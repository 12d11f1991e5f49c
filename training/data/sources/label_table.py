"""A CSV table of images to evaluate on, read without pyarrow: columns `path`, `label` and, optionally, `split`."""

import csv
from dataclasses import dataclass
from pathlib import Path

from training.data.labels import shorten
from training.data.part_names import PARTS, Part, part_of
from training.errors import DatasetError

_NEEDED = ("path", "label")


@dataclass(frozen=True)
class TableRow:
    """One row. path: absolute, or relative to the working folder; part: None where the table has no column `split`."""

    path: Path
    label: str
    part: Part | None


def read_label_table(table: Path, *, empty_labels: bool) -> list[TableRow]:
    """Return the rows in their order. A relative path starts at the table's folder.

    empty_labels: whether a row may have no label. Raises DatasetError for a table that is no CSV in UTF-8, lacks a
    column or has no rows, and for a row with an empty value or an unknown split.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            rows = [{name: value or "" for name, value in row.items() if isinstance(name, str)} for row in reader]
            columns = list(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DatasetError(f"{table} cannot be read as a CSV table in UTF-8: {reason}") from error
    if missing := [name for name in _NEEDED if name not in columns]:
        raise DatasetError(
            f"{table} has no column {missing[0]!r}, only {shorten([ascii(name) for name in columns]) or 'none'}: "
            "name the columns path, label and, if the parts are known, split"
        )
    if not rows:
        raise DatasetError(f"{table} has no rows")
    return [_row(row, number, table, empty_labels=empty_labels) for number, row in enumerate(rows, start=1)]


def _row(row: dict[str, str], number: int, table: Path, *, empty_labels: bool) -> TableRow:
    for name in ("path",) if empty_labels else _NEEDED:
        if not row[name]:
            raise DatasetError(f"{table}, row {number}: the {name} is empty")
    split = row.get("split")
    part = None if split is None else part_of(split)
    if split is not None and part is None:
        raise DatasetError(f"{table}, row {number}: the split {split!r} is not one of {', '.join(PARTS)}")
    return TableRow(table.parent / row["path"], row["label"], part)
