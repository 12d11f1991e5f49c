"""Output of `snellen classify`: a table for people, JSON lines and CSV for programs."""

import csv
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    from service.api.v1.schemas import Result


class Format(StrEnum):
    """Output format of the results."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


class FileResult(NamedTuple):
    """The result of one file, or the reason why there is none."""

    path: Path
    result: "Result | None"
    error: str | None = None


def path_text(path: Path) -> str:
    r"""Return the path as text, with bytes that are no UTF-8 as \xNN, since no output format can hold them."""
    return os.fsencode(path).decode(errors="backslashreplace")


def printable(text: str) -> str:
    """Escape line ends, control characters and the like as in a Python literal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


class Failures:
    """Reports files that could not be classified on the console, and counts them."""

    def __init__(self, console: Console) -> None:
        self.count = 0
        self._console = console

    def report(self, results: Iterable[FileResult]) -> Iterator[FileResult]:
        """Yield all items unchanged, and print those with an error."""
        for item in results:
            if item.error is not None:
                self.count += 1
                line = printable(f"{path_text(item.path)}: {item.error}")
                self._console.print(Text(line, "red"), soft_wrap=True)
            yield item


def _write_table(results: Iterable[FileResult]) -> None:
    table = Table(Column("file", overflow="fold"), Column("class", overflow="fold"), Column("probability"))
    for item in results:
        predictions = item.result.predictions if item.result else []
        names = class_names({prediction.class_id: prediction.label for prediction in predictions})
        lines = file_text(item).splitlines() if len(predictions) > 1 else [file_text(item)]
        for index, prediction in enumerate(predictions):
            first = lines[index] if index < len(lines) else ""
            present = " present" if prediction.present else ""
            table.add_row(Text(first), Text(names[prediction.class_id]), f"{prediction.probability:.4f}{present}")
        table.add_section()
    print_table(table)


def class_names(labels: Mapping[int, str]) -> dict[int, str]:
    """Return printable names by class id: the labels, with the id where two of these classes have the same one."""
    times = Counter(labels.values())
    return {
        class_id: printable(label) + (f" (class {class_id})" if times[label] > 1 else "")
        for class_id, label in labels.items()
    }


def file_text(item: FileResult) -> str:
    """Return the path for a table, and below it whether the picture is unfamiliar to the model."""
    unfamiliar = item.result is not None and item.result.unfamiliar
    return printable(path_text(item.path)) + ("\nunfamiliar: looks like none of the classes" if unfamiliar else "")


def print_table(table: Table) -> None:
    """Print a table on standard output."""
    _reconfigure(None)
    Console().print(table)


def _write_jsonl(results: Iterable[FileResult]) -> None:
    _reconfigure("utf-8")
    for item in results:
        answer = item.result.model_dump(exclude_none=True) if item.result else {"error": item.error}
        print(json.dumps({"path": path_text(item.path)} | answer, ensure_ascii=False), flush=True)


def _write_csv(results: Iterable[FileResult]) -> None:
    columns = ("rank", "class_id", "label", "probability", "threshold", "present", "energy", "unfamiliar")
    write_csv(results, columns, _prediction_rows)


def _prediction_rows(result: "Result") -> Iterator[tuple[object, ...]]:
    """Yield the values of the columns for each class; what the bundle does not have is empty."""
    image = result.energy, _json_word(result.unfamiliar)
    for rank, prediction in enumerate(result.predictions, 1):
        first = rank, prediction.class_id, prediction.label, prediction.probability
        yield *first, prediction.threshold, _json_word(prediction.present), *image


def _json_word(value: bool | None) -> str:
    """Return `true` or `false` as in JSON, and nothing for None."""
    return "" if value is None else str(value).lower()


def write_csv(
    results: Iterable[FileResult],
    columns: Sequence[str],
    lines: "Callable[[Result], Iterable[tuple[object, ...]]]",
) -> None:
    """Write `columns`, and the rows that `lines` returns for a result, between path and error."""
    _reconfigure("utf-8")
    writer = csv.writer(sys.stdout)
    writer.writerow(["path", *columns, "error"])
    for item in results:
        path = path_text(item.path)
        for line in lines(item.result) if item.result else ():
            writer.writerow([path, *line, ""])
        if item.error is not None:
            writer.writerow([path, *[""] * len(columns), item.error])


def _reconfigure(encoding: str | None) -> None:
    """Set the encoding of standard output, None: the terminal's.

    Characters it cannot show are escaped, never an error.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


Writer = Callable[[Iterable[FileResult]], None]
"""Writes to standard output as the results arrive; a table is written at the end, since its columns have to fit."""

WRITERS: dict[Format, Writer] = {
    Format.TABLE: _write_table,
    Format.JSONL: _write_jsonl,
    Format.CSV: _write_csv,
}
