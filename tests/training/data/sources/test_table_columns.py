"""The columns of a table."""

from pathlib import Path

import pytest

from training.data.sources.table_columns import Columns, described, has_names, named_columns, unnamed_columns
from training.errors import DatasetError

TABLE = Path("t.csv")


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        ("path label", Columns(0, 1, None)),
        ("Path Label Split", Columns(0, 1, 2)),
        ("filename class", Columns(0, 1, None)),
        ("id CATEGORY image_path subset", Columns(2, 1, 3)),
        ("file-name target", Columns(0, 1, None)),
        ("image filename path class label", Columns(2, 4, None)),
    ],
)
def test_columns_are_known_by_usual_names_in_any_case(names: str, columns: Columns) -> None:
    """Where several could be one, that with the plain name counts."""
    assert has_names(names.split())
    assert named_columns(names.split(), TABLE) == columns


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["bild", "label"], "t.csv has no column 'path', only 'bild', 'label': name the columns path, label and"),
        (["path", "art"], "has no column 'label', only 'path', 'art'"),
        ([], "has no column 'path', only none"),
        (["file", "image", "label"], "has the columns 'file' and 'image', each of which could be the path: call one"),
        (["path", "path", "label"], "has the columns 'path' and 'path', each of which could be the path"),
    ],
)
def test_columns_that_are_missing_or_unclear_are_refused(names: list[str], message: str) -> None:
    """With what there is."""
    with pytest.raises(DatasetError, match=message):
        named_columns(names, TABLE)


def test_other_names_than_the_plain_ones_are_told() -> None:
    """Case and blanks make no difference."""
    assert described(["Path", "Label "], Columns(0, 1, None)) == ""
    assert (
        described(["file", "x", "class"], Columns(0, 2, None))
        == "has other names of columns: 'file' was read as path, 'class' was read as label; "
        "it has columns that were not read: 'x'"
    )


def test_columns_that_are_not_read_are_told() -> None:
    """One of them may say which images are for the test; a column of row numbers without a name is none of them."""
    assert (
        described(["", "path", "label", "is_test"], Columns(1, 2, None)) == "has columns that were not read: 'is_test'"
    )


@pytest.mark.parametrize(
    ("records", "columns"),
    [
        ([["a/1.jpg", "ant"], ["b.PNG", "bee"]], Columns(0, 1, None)),
        ([["ant", " a.heic"]], Columns(1, 0, None)),
        ([["ant", "exists", "train"], ["bee", "exists", "Test"]], Columns(1, 0, 2)),
        ([["a.jpg", "ant", "3"]], None),
        ([["a.jpg", "ant"], ["b.jpg"]], None),
        ([["path", "label"], ["a.jpg", "ant"]], None),
        ([["a.jpg", "b.jpg"]], None),
        ([["a.jpg"]], None),
        ([], None),
    ],
)
def test_without_a_header_the_cells_decide(tmp_path: Path, records: list[list[str]], columns: Columns | None) -> None:
    """Names of images, files that exist, names of parts; anything else is not clear."""
    (tmp_path / "exists").touch()
    assert unnamed_columns(records, tmp_path) == columns
