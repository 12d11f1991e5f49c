"""Tables of path and label."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.training.data.conftest import CLASSES
from training.data.sources.tables import list_table
from training.errors import DatasetError

HEADER = "path,label\n"


def write(folder: Path, text: str | bytes) -> Path:
    table = folder / "images.csv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    return table


def test_relative_paths_start_at_the_table(tmp_path: Path) -> None:
    """Wherever the command runs; absolute ones stay."""
    listing = list_table(write(tmp_path, HEADER + "a/1.jpg,ant\n/data/2.jpg,bee\n"))
    assert listing.paths == (tmp_path / "a/1.jpg", Path("/data/2.jpg"))
    assert listing.metadata.labels == ("ant", "bee")
    assert listing.labels.tolist() == [0, 1]


def test_parquet_reads_like_csv(tmp_path: Path) -> None:
    """Also with dictionary-encoded labels, and columns that mean nothing here."""
    columns = {"path": ["1.jpg", "2.jpg"], "label": pa.array(["bee", "ant"]).dictionary_encode(), "width": [1, 2]}
    parquet.write_table(pa.table(columns), tmp_path / "images.parquet")
    listing = list_table(tmp_path / "images.parquet")
    assert (listing.metadata.labels, listing.labels.tolist()) == (("ant", "bee"), [1, 0])


def test_a_column_of_parts_is_obeyed(tmp_path: Path) -> None:
    """By the names that folders may have too."""
    rows = "1,ant,train\n2,bee,TRAIN\n3,ant,val\n4,bee,test\n5,bee,calibration\n"
    listing = list_table(write(tmp_path, "path,label,split\n" + rows))
    assert listing.parts.tolist() == ["train", "train", "validation", "test", "calibration"]


@pytest.mark.parametrize(
    ("number", "other"), [(0, 1), (np.int64(0), np.int64(1)), ("0", "1"), ("0.0", "1.0"), (0.0, 1.0)]
)
def test_a_label_may_be_the_number_of_a_name(tmp_path: Path, number: object, other: object) -> None:
    """Where the names are given; whole numbers may be written as 1.0."""
    parquet.write_table(pa.table({"path": ["1", "2"], "label": [number, other]}), tmp_path / "t.parquet")
    assert list_table(tmp_path / "t.parquet", ("cat", "ant")).metadata.labels == ("cat", "ant")


def test_labels_stay_as_they_are_written(tmp_path: Path) -> None:
    """01 is not 1, and NA is a class like others."""
    assert list_table(write(tmp_path, HEADER + "1,01\n2,1\n3,NA\n")).metadata.labels == ("01", "1", "NA")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bild,label\n1,ant\n", r"no column 'path', only 'bild', 'label': name the columns path, label"),
        ("path,label\n", "has no rows"),
        ("", "is empty: write the columns path and label"),
        ("path,label\n1,ant,3\n", "row 1 has 3 cells, but there are 2 columns"),
        ("path,path,label\n1,2,ant\n", "has the columns 'path' and 'path'"),
        ("path,label\n1,ant\n,bee\n", "row 2: the path is empty"),
        ("path,label\n1,ant\n2,\n", "row 2: the label is empty"),
        ("path,label\n1,ant\n2,ant\n", "only one class, 'ant'"),
        ("path,label,split\n1,ant,train\n2,bee,tset\n", "row 2: the split 'tset' is not one of train, validation, cal"),
        ("path,label,split\n1,ant,train\n2,bee,\n", "row 2: the split '' is not one of"),
        ("path,label,split\n1,ant,test\n2,bee,test\n", "no class to train on"),
        ("path,label,split\n1,ant,train\n2,bee,train\n3,cat,test\n", "no training image of the class 'cat'"),
        (
            "path,label,split\n1,Ant,train\n2,bee,train\n3,ant,test\n",
            "class 'ant': write 'Ant' where they are the same",
        ),
    ],
)
def test_a_table_that_says_too_little_is_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    """With the row or the column that has to be changed."""
    with pytest.raises(DatasetError, match=message):
        list_table(write(tmp_path, text))


@pytest.mark.parametrize("value", ["dog", "3", "-1", "1.5", "3.0", "²"])
def test_a_label_that_is_neither_name_nor_number_is_refused(tmp_path: Path, value: str) -> None:
    """Three names have the numbers 0, 1 and 2."""
    with pytest.raises(DatasetError, match=rf"row 2: the label '{value}' is not one of the 3 labels, ant, bee, cat"):
        list_table(write(tmp_path, HEADER + f"1,ant\n2,{value}\n"), CLASSES)


def test_blanks_around_cells_make_no_class(tmp_path: Path) -> None:
    """In text and in Parquet; a note says so."""
    listing = list_table(write(tmp_path, HEADER + "1,ant\n2,ant \n3, bee\n"))
    assert (listing.metadata.labels, listing.notes) == (
        ("ant", "bee"),
        (f"{tmp_path / 'images.csv'}: blanks were removed around 1 label",),
    )
    columns = {"Filename": ["1", "2", "3"], "class": ["ant", "ant ", "bee"], "Usage": ["Training"] * 3}
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    assert list_table(tmp_path / "t.parquet").metadata.labels == ("ant", "bee")
    assert list_table(tmp_path / "t.parquet").notes == (
        f"{tmp_path / 't.parquet'} has other names of columns: 'Filename' was read as path, "
        "'class' was read as label, 'Usage' was read as split",
        f"{tmp_path / 't.parquet'}: blanks were removed around 1 label",
    )


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    """By its name."""
    (tmp_path / "images.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DatasetError, match=r"images.parquet cannot be read as a table"):
        list_table(tmp_path / "images.parquet")


def test_a_column_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Such as the pixels themselves."""
    parquet.write_table(pa.table({"path": [[1, 2]], "label": ["ant"]}), tmp_path / "images.parquet")
    with pytest.raises(DatasetError, match="cannot be read as a table"):
        list_table(tmp_path / "images.parquet")
