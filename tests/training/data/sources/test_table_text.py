"""Text tables as rows of cells."""

import gzip
from pathlib import Path

import pytest

from training.data.sources.table_text import Record, read_text_table
from training.errors import DatasetError


def most_columns(records: list[Record]) -> int:
    return len(records[0]) if records else 0


def read(folder: Path, content: bytes) -> tuple[list[Record], str]:
    (folder / "t.csv").write_bytes(content)
    return read_text_table(folder / "t.csv", most_columns)


@pytest.mark.parametrize(
    "content",
    [
        b"path,label\na.png,x\n",
        b"path;label\r\na.png;x\r\n",
        b"path\tlabel\na.png\tx",
        b"path|label\na.png|x\n\n",
        b'path, label\n"a.png", "x"\n',
        b"path,label\ra.png,x\r",
        b"sep=;\npath;label\na.png;x\n",
        b'"sep=;"\n"path";"label"\n"a.png";"x"\n',
        b"# made by hand\n\n# twice\npath,label\na.png,x\n",
        "path,label\na.png,x\n".encode("utf-8-sig"),
        "path,label\na.png,x\n".encode("utf-16"),
        "path,label\na.png,x\n".encode("utf-16-le"),
        "path,label\na.png,x\n".encode("utf-16-be"),
        "path,label\na.png,x\n".encode("utf-32"),
    ],
)
def test_encodings_and_separators_of_the_usual_programs_are_read(tmp_path: Path, content: bytes) -> None:
    """Without a word, since nothing is guessed."""
    assert read(tmp_path, content) == ([["path", "label"], ["a.png", "x"]], "")


def test_bytes_that_are_no_unicode_are_read_as_latin_1_with_a_note(tmp_path: Path) -> None:
    """Excel saves so in the west of Europe."""
    records, note = read(tmp_path, "path,label\na.png,Käfer\n".encode("latin-1"))
    assert records[1] == ["a.png", "Käfer"]
    assert note == f"{tmp_path / 't.csv'} is not in UTF-8: it was read as Windows-1252 (Latin-1)"


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    """With the reason."""
    with pytest.raises(DatasetError, match="cannot be read as a table: unexpected end of data"):
        read(tmp_path, b'path,label\na,"b\n')
    with pytest.raises(DatasetError, match="cannot be read as a table: 'utf-16-le' codec can't decode"):
        read(tmp_path, b"p\0a")


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    """With the reason of the operating system."""
    with pytest.raises(DatasetError, match=r"none.csv cannot be read as a table: No such file"):
        read_text_table(tmp_path / "none.csv", most_columns)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    """Such as an archive whose name ends as a table's."""
    with pytest.raises(DatasetError, match="it holds bytes of another kind of file"):
        read(tmp_path, gzip.compress(b"path,label\n", mtime=0))
