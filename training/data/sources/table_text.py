"""Text tables of any usual encoding and separator, as rows of cells."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from training.data.labels import printable
from training.errors import DatasetError

TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
SEPARATORS = (",", ";", "\t", "|")
Record = list[str]
_SAMPLE = 20
"""First rows that decide the separator."""
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""UTF-32 before UTF-16, whose mark is the beginning of that of UTF-32."""
_BEFORE_THE_TABLE = re.compile(r"(?:[^\S\r\n]*(?:#[^\r\n]*)?\r?[\r\n])+")
"""Empty lines and comments."""
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?[\r\n]', re.IGNORECASE)
"""First line by which Excel names the separator."""


class TextTable(NamedTuple):
    """records: the rows that are not blank, as lists of cells, a header among them. note: on the encoding, or empty."""

    records: list[Record]
    note: str


def read_text_table(table: Path, score: Callable[[list[Record]], int]) -> TextTable:
    """Read a table in UTF-8, UTF-16 or Windows-1252, separated by a comma, a semicolon, a tab or a vertical bar.

    score: how well some rows fit, for the choice of the separator; the largest one wins, at equal scores the first of
    SEPARATORS. Comments (#) before the first row are passed over. Raises DatasetError.
    """
    try:
        text, note = _decoded(table.read_bytes())
        text = text[match.end() :] if (match := _BEFORE_THE_TABLE.match(text)) else text
        if match := _SEPARATOR_LINE.match(text):
            separator, text = match[1], text[match.end() :]
        else:
            separator = max(SEPARATORS, key=lambda each: score(_sample(text, each)))
        return TextTable(list(_records(text, separator)), note and f"{printable(table)} {note}")
    except (OSError, UnicodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DatasetError(f"{printable(table)} cannot be read as a table: {reason}") from error


def _decoded(content: bytes) -> tuple[str, str]:
    """Return the text, and a note where the encoding was guessed."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content.decode(encoding), ""
    if b"\0" in content[:2]:  # UTF-16 without a mark: of the first letter one byte is 0
        return content.decode("utf-16-le" if content[1:2] == b"\0" else "utf-16-be"), ""
    try:
        return content.decode(), ""
    except UnicodeDecodeError:
        if b"\0" in content:
            raise UnicodeError("it holds bytes of another kind of file, such as an archive: give a text") from None
        return content.decode("cp1252", errors="replace"), "is not in UTF-8: it was read as Windows-1252 (Latin-1)"


def _sample(text: str, separator: str) -> list[Record]:
    """Return the first rows, up to the first one that cannot be read."""
    sample: list[Record] = []
    with suppress(csv.Error):
        sample.extend(islice(_records(text, separator), _SAMPLE))
    return sample


def _records(text: str, separator: str) -> Iterator[Record]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    return (record for record in reader if any(cell.strip() for cell in record))
