"""Warnings that a person reads before the training starts."""

from pathlib import Path

from models.contract import Colour, Input
from training.data.dataset import open_dataset

SMALL = Input(colour=Colour.RGB, height=7, width=7)


def test_the_list_of_skipped_files_is_bounded(photos: Path) -> None:
    """Of thousands, the first few and a number will do."""
    for number in range(50):
        (photos / "ant" / f"{number}.{'txt' if number < 40 else 'xml'}").write_bytes(b"note")
    dataset = open_dataset(str(photos), target=SMALL)
    assert (len(dataset.warnings.skipped), dataset.warnings.skipped_count) == (20, 50)
    assert "skipped 30 more files; all 50 by their suffix: 40 .txt, 10 .xml" in dataset.sentences()
