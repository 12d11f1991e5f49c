"""Images that occur more than once."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from models.contract import Colour, Input
from training.data.dataset import Dataset, open_dataset
from training.data.duplicates import DUPLICATES, LeakedImagesError, find_pairs, refuse_across, to_digests, write_pairs
from training.data.part_names import PARTS

SMALL = Input(colour=Colour.RGB, height=7, width=7)


def sizes(dataset: Dataset) -> dict[str, int]:
    parts = {name: getattr(dataset, name) for name in PARTS}
    return {name: len(images) for name, images in parts.items() if images is not None}


def test_the_same_file_in_two_parts_is_refused(photos: Path, tmp_path: Path) -> None:
    """Under another name and in another class it is still the same; the first 20 pairs are named, the error has all."""
    root = tmp_path / "parts"
    shutil.copytree(photos, root / "train")
    shutil.copytree(photos / "ant", root / "test" / "bee")
    shutil.copy(photos / "bee" / "007.png", root / "test" / "bee" / "x.png")
    with pytest.raises(LeakedImagesError, match="21 images are in two parts: remove each from one of the two") as error:
        open_dataset(str(root), target=SMALL)
    lines = str(error.value).splitlines()[1:]
    assert lines[0] == (f"  {root}/train/ant/000.png (train) and {root}/test/bee/000.png (test) are the same image")
    assert (len(lines), lines[-1]) == (21, "  and 1 more")
    assert len(error.value.pairs) == 21


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
    told = dataset.sentences()
    place = next(i for i, line in enumerate(told) if "1 of the copies has another label than the original" in line)
    assert told[place + 1] == f"  {photos}/ant/000.png is ant, {photos}/bee/ant.png is bee"
    assert told[-1] == "duplicates.csv in the folder of the run has 1 pair of equal images"


def test_all_pairs_are_written_as_a_table(tmp_path: Path) -> None:
    """With the worst that is true of each; the earlier image is the first one."""
    digests = to_digests([b"a", b"b", b"a", b"a", b"b"])
    parts = np.array(["train", "train", "train", "train", "test"])
    labels = np.array([0, 1, 0, 1, 1], np.int64)
    pairs = find_pairs(digests, parts, labels, names=("ant", "bee"), place=lambda index: f"{index}.png")
    assert [pair.kind for pair in pairs] == ["copy", "two labels", "two parts"]
    write_pairs(tmp_path / "new" / DUPLICATES, pairs)
    assert (tmp_path / "new" / DUPLICATES).read_text().splitlines() == [
        "kind,first,second,first_label,second_label,first_part,second_part",
        "copy,0.png,2.png,ant,ant,train,train",
        "two labels,0.png,3.png,ant,bee,train,train",
        "two parts,1.png,4.png,bee,bee,train,test",
    ]
    with pytest.raises(LeakedImagesError, match="one image is in two parts: remove it from one of the two"):
        refuse_across(pairs)
    refuse_across(pairs[:2])


def test_a_file_that_is_listed_twice_is_named_once() -> None:
    """As a table may name it."""
    digests, labels = to_digests([b"a"] * 3 + [b"b"] * 2), np.array([0, 0, 1, 1, 1], np.int64)
    parts = np.array(["train", "train", "train", "train", "test"])
    pairs = find_pairs(
        digests, parts, labels, names=("ant", "bee"), place=lambda index: f"{digests[index].decode()}.png"
    )
    assert [str(pair) for pair in pairs] == [
        "a.png is listed twice",
        "a.png is listed as ant and as bee",
        "b.png is listed for train and for test",
    ]
