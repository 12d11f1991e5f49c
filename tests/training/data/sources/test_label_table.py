"""Tables of images."""

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
    read = read_label_table(path, empty_labels=False)
    assert read.rows == [
        TableRow(tmp_path / "a.jpg", "x, y", "validation"),
        TableRow(Path("/b.jpg"), "01", "test"),
    ]
    assert read.notes == (f"{path} has columns that were not read: 'id'",)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("Path;Label\na.jpg;ant\n", ""),
        (
            "filename\tclass\na.jpg\tant\n",
            " has other names of columns: 'filename' was read as path, 'class' was read as label",
        ),
        ("a.jpg,ant\n", " has no header: column 1 was read as path, column 2 as label"),
        ("ant|a.jpg\n", " has no header: column 2 was read as path, column 1 as label"),
        ("path, label\na.jpg , ant \n", ": blanks were removed around 1 label"),
        (",path,label\n0,a.jpg,ant,\n", ""),
    ],
)
def test_tables_are_read_as_people_write_them(tmp_path: Path, text: str, note: str) -> None:
    """A note names what is not taken letter by letter."""
    path = table(tmp_path, text)
    read = read_label_table(path, empty_labels=False)
    assert read.rows == [TableRow(tmp_path / "a.jpg", "ant", None)]
    assert read.notes == ((f"{path}{note}",) if note else ())


def test_backslashes_are_slashes_where_the_file_exists(tmp_path: Path) -> None:
    """A table of Windows is read elsewhere; a name that really holds one stays."""
    for name in ("ant/1.jpg", r"b\2.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    path = table(tmp_path, "path,label\nant\\1.jpg,ant\nb\\2.jpg,bee\nno\\3.jpg,bee\n")
    read = read_label_table(path, empty_labels=False)
    assert [row.path for row in read.rows] == [tmp_path / "ant/1.jpg", tmp_path / r"b\2.jpg", tmp_path / r"no\3.jpg"]
    assert read.notes == (rf"{path}: \ was read as / in 1 path",)


def test_without_a_column_of_parts_there_are_none(tmp_path: Path) -> None:
    """And a row may have no label where an image may show none of the classes."""
    path = table(tmp_path, "path,label\na.jpg,\n")
    assert read_label_table(path, empty_labels=True).rows == [TableRow(tmp_path / "a.jpg", "", None)]
    with pytest.raises(DatasetError, match="row 1: the label is empty"):
        read_label_table(path, empty_labels=False)


@pytest.mark.parametrize("text", ["path,label\na.jpg,beach|sea\nb.jpg,\n", "a.jpg,beach|sea\nb.jpg,sea|sun\n"])
def test_several_labels_of_an_image_are_one_cell(tmp_path: Path, text: str) -> None:
    """The bar between them separates no columns."""
    assert read_label_table(table(tmp_path, text), empty_labels=True).rows[0].label == "beach|sea"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bild,label\na,b\n", "has no column 'path', only 'bild', 'label'"),
        ("bild;art\na;b\n", "has no column 'path', only 'bild', 'art'"),
        ("", "is empty: write the columns path and label, and a row for each image"),
        ("path,label\n", "has no rows"),
        ("path,label\n,b\n", "row 1: the path is empty"),
        ("path,label\na\n", "row 1: the label is empty"),
        ("path,label\na,b\nc,NaN\n", "row 2: the label 'NaN' stands for a missing value: write the label, or remove"),
        ("path,label\na,b\nc,d,e\n", "row 2 has 3 cells, but there are 2 columns: put a cell .* between quotes"),
        ("path,label,split\na,b,best\n", "row 1: the split 'best' is not one of train, validation, calibration, test"),
        ('path,label\na,"b\n', "cannot be read as a table"),
    ],
)
def test_a_table_at_fault_is_refused_with_the_reason(tmp_path: Path, text: str | bytes, message: str) -> None:
    """The column or the row."""
    with pytest.raises(DatasetError, match=message):
        read_label_table(table(tmp_path, text), empty_labels=False)
