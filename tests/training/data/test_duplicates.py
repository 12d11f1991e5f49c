"""Images that occur more than once."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from models.contract import Colour, Input
from training.data.dataset import Dataset, open_dataset
from training.data.part_names import PARTS
from training.errors import DatasetError

SMALL = Input(colour=Colour.RGB, height=7, width=7)


def sizes(dataset: Dataset) -> dict[str, int]:
    parts = {name: getattr(dataset, name) for name in PARTS}
    return {name: len(images) for name, images in parts.items() if images is not None}


def test_the_same_file_in_two_parts_is_refused(photos: Path, tmp_path: Path) -> None:
    """Under another name and in another class it is still the same; both files are named."""
    root = tmp_path / "parts"
    shutil.copytree(photos, root / "train")
    shutil.copytree(photos / "ant", root / "test" / "bee")
    with pytest.raises(DatasetError, match=r"train/ant/000.png \(train\) and .*test/bee/000.png \(test\) are the same"):
        open_dataset(str(root), target=SMALL)


def test_copies_inside_a_part_are_counted_and_never_torn_apart(photos: Path) -> None:
    """Wherever the draw puts an image, its copies go along: none is both learnt and held out."""
    for path in list((photos / "ant").iterdir()):
        shutil.copy(path, photos / "ant" / f"copy of {path.name}")
    for seed in range(3):
        dataset = open_dataset(str(photos), target=SMALL, seed=seed)
        assert dataset.warnings.copies == 20
        assert "20 images are copies of others in the same part" in dataset.sentences()
        assert sizes(dataset) == {"train": 72, "validation": 4, "calibration": 4}
        assert len(np.unique(dataset.validation.images, axis=0)) == 3


def test_a_copy_under_another_label_is_reported(photos: Path) -> None:
    """One of the two labels is wrong; which one, only a person can say."""
    shutil.copy(photos / "ant" / "000.png", photos / "bee" / "ant.png")
    dataset = open_dataset(str(photos), target=SMALL)
    assert (dataset.warnings.copies, dataset.warnings.disputed) == (1, 1)
    assert any("another label than the original" in sentence for sentence in dataset.sentences())
