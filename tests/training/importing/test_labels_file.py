"""Files of class names."""

from pathlib import Path

import pytest

from training.errors import DatasetError
from training.importing.labels_file import read_labels


def test_labels_are_the_lines_in_their_order(tmp_path: Path) -> None:
    """Blank lines and spaces around a label do not count."""
    (tmp_path / "labels.txt").write_text("zebra \n\n ant\nÄpfel\n", encoding="utf-8")
    assert read_labels(tmp_path / "labels.txt") == ("zebra", "ant", "Äpfel")


@pytest.mark.parametrize(("text", "message"), [("ant\nbee\nant\n", "'ant' is there twice"), ("ant\n", "has 1 labels")])
def test_a_file_without_a_label_for_each_class_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Duplicates and fewer than two labels are named."""
    (tmp_path / "labels.txt").write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=message):
        read_labels(tmp_path / "labels.txt")
