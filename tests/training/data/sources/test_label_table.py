"""CSV tables of images to evaluate on."""

from pathlib import Path

import pytest

from training.data.sources.label_table import TableRow, read_label_table
from training.errors import DatasetError


def table(folder: Path, text: str | bytes) -> Path:
    path = folder / "photos.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_rows_are_read_in_their_order(tmp_path: Path) -> None:
    """With a byte order mark, other columns, quotes, and paths that start at the table's folder."""
    path = table(tmp_path, '\ufeffid,path,label,split\n1,a.jpg,"x, y",val\n2,/b.jpg,01,Test\n')
    assert read_label_table(path, empty_labels=False) == [
        TableRow(tmp_path / "a.jpg", "x, y", "validation"),
        TableRow(Path("/b.jpg"), "01", "test"),
    ]


def test_without_the_column_split_there_are_no_parts(tmp_path: Path) -> None:
    """And a row may have no label where an image may show none of the classes."""
    path = table(tmp_path, "path,label\na.jpg,\n")
    assert read_label_table(path, empty_labels=True) == [TableRow(tmp_path / "a.jpg", "", None)]
    with pytest.raises(DatasetError, match="row 1: the label is empty"):
        read_label_table(path, empty_labels=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na,b\n", "has no column 'path', only 'file', 'label'"),
        ("", "has no column 'path', only none"),
        ("path,label\n", "has no rows"),
        ("path,label\n,b\n", "row 1: the path is empty"),
        ("path,label\na\n", "row 1: the label is empty"),
        ("path,label,split\na,b,best\n", "row 1: the split 'best' is not one of train"),
        (b"path,label\na,\xff\n", "cannot be read as a CSV table in UTF-8"),
        ('path,label\na,"b\n', "cannot be read as a CSV table in UTF-8"),
    ],
)
def test_a_table_at_fault_is_refused_with_the_reason(tmp_path: Path, text: str | bytes, message: str) -> None:
    """The column or the row."""
    with pytest.raises(DatasetError, match=message):
        read_label_table(table(tmp_path, text), empty_labels=False)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    """With the reason of the operating system."""
    with pytest.raises(DatasetError, match=r"none.csv cannot be read .*: No such file"):
        read_label_table(tmp_path / "none.csv", empty_labels=False)
