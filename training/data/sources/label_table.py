"""A table of images: path, label and part of each. Text tables are read without pyarrow."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.data.labels import count_of, printable
from training.data.part_names import PARTS, Part, part_of
from training.data.sources.table_columns import Columns, described, has_names, named_columns, unnamed_columns
from training.data.sources.table_text import Record, read_text_table
from training.errors import DatasetError

_SAMPLE = 20
"""First rows that have to agree where no header names the columns."""


@dataclass(frozen=True)
class TableRow:
    """One row. path: absolute, or relative to the working folder; part: None where the table has no column of parts."""

    path: Path
    label: str
    part: Part | None


@dataclass(frozen=True)
class LabelTable:
    """rows: in the order of the table, one at least. notes: sentences on what was read otherwise than it is written."""

    rows: list[TableRow]
    notes: tuple[str, ...] = ()


def read_label_table(table: Path, *, empty_labels: bool) -> LabelTable:
    """Read a text table, with or without a header. A relative path starts at the table's folder.

    empty_labels: whether a row may have no label. Raises DatasetError for a table that is no text, lacks a column or
    has no rows, and for a row with an empty value, too many cells or an unknown part.
    """

    def score(records: list[Record]) -> int:
        if not records:
            return 0
        certain = has_names(records[0]) or unnamed_columns(records, table.parent) is not None
        return 1_000_000 if certain else len(records[0])

    records, note = read_text_table(table, score)
    if not records:
        raise DatasetError(f"{printable(table)} is empty: write the columns path and label, and a row for each image")
    unnamed = unnamed_columns(records[:_SAMPLE], table.parent) if not has_names(records[0]) else None
    if unnamed is None:
        names, rows = records[0], records[1:]
        columns = named_columns(names, table)
        read = described(names, columns)
    else:
        columns, rows = unnamed, records
        read = f"has no header: column {columns.path + 1} was read as path, column {columns.label + 1} as label"
    found = table_rows(table, rows, columns, width=len(records[0]), empty_labels=empty_labels)
    notes = (note, read and f"{printable(table)} {read}", *found.notes)
    return LabelTable(found.rows, tuple(each for each in notes if each))


def table_rows(
    table: Path, records: Sequence[Record], columns: Columns, *, width: int, empty_labels: bool
) -> LabelTable:
    r"""Check the rows of a table and return them, blanks around cells removed, `\` in paths as `/` where that exists.

    width: number of columns. Raises DatasetError as `read_label_table` does.
    """
    if not records:
        raise DatasetError(f"{printable(table)} has no rows: write one for each image")
    stripped = slashes = 0
    rows = []
    for number, record in enumerate(records, start=1):
        if any(cell.strip() for cell in record[width:]):
            raise DatasetError(
                f"{printable(table)}, row {number} has {len(record)} cells, but there are {width} columns: put a cell "
                "that holds a separator between quotes"
            )
        cells = [record[place] if place is not None and place < len(record) else "" for place in columns]
        path, label, split = (cell.strip() for cell in cells)
        stripped += label != cells[1]
        whole = _path(table.parent, path)
        slashes += whole != table.parent / path
        _check_filled({"path": path} | ({} if empty_labels else {"label": label}), number, table)
        _refuse_missing(label, number, table)
        rows.append(TableRow(whole, label, None if columns.split is None else _part(split, number, table)))
    notes = (
        f"{printable(table)}: blanks were removed around {count_of(stripped, 'label')}" if stripped else "",
        rf"{printable(table)}: \ was read as / in {count_of(slashes, 'path')}" if slashes else "",
    )
    return LabelTable(rows, tuple(note for note in notes if note))


def _path(folder: Path, text: str) -> Path:
    written = folder / text
    if "\\" not in text or os.path.exists(written):
        return written
    other = folder / text.replace("\\", "/")
    return other if os.path.exists(other) else written


def _check_filled(values: dict[str, str], number: int, table: Path) -> None:
    for name, value in values.items():
        if not value:
            raise DatasetError(f"{printable(table)}, row {number}: the {name} is empty")


def _refuse_missing(label: str, number: int, table: Path) -> None:
    """Refuse what pandas and NumPy write where a label is missing: it would become a class."""
    if label.casefold() == "nan":
        raise DatasetError(
            f"{printable(table)}, row {number}: the label {label!r} stands for a missing value: write the label, or "
            "remove the row"
        )


def _part(split: str, number: int, table: Path) -> Part:
    if (part := part_of(split)) is None:
        raise DatasetError(f"{printable(table)}, row {number}: the split {split!r} is not one of {', '.join(PARTS)}")
    return part
