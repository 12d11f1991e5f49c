"""Warnings that a person reads before the training starts."""

from pathlib import Path

from models.contract import Colour, Input
from training.data.dataset import open_dataset
from training.data.warnings_list import SkippedFile, collect_warnings

SMALL = Input(colour=Colour.RGB, height=7, width=7)


def test_the_list_of_skipped_files_is_bounded(photos: Path) -> None:
    """Of thousands, the first few and a number will do."""
    for number in range(50):
        (photos / "ant" / f"{number}.{'txt' if number < 40 else 'xml'}").write_bytes(b"note")
    dataset = open_dataset(str(photos), target=SMALL)
    assert (len(dataset.warnings.skipped), dataset.warnings.skipped_count) == (20, 50)
    assert "skipped 30 more files; all 50 by their suffix: 40 .txt, 10 .xml" in dataset.sentences()


def test_each_reason_has_a_file_in_the_list() -> None:
    """However many files of another kind are before it."""
    files = [SkippedFile(f"{number}.txt", "no picture") for number in range(40)]
    files.insert(30, SkippedFile("a.heic", "a HEIC photo"))
    warnings = collect_warnings(files, copies=1)
    assert [file.path for file in warnings.skipped] == [*(f"{number}.txt" for number in range(19)), "a.heic"]
    assert warnings.sentences()[-2:] == [
        "skipped 21 more files; all 41 by their suffix: 40 .txt, 1 .heic",
        "1 image is a copy of another one in the same part",
    ]
