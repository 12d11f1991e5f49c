"""Sources opened from end to end."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.contract import Colour, Input, Preprocessing, preprocess
from tests.training.conftest import striped
from tests.training.data.conftest import CLASSES, write_class
from training.data.dataset import Dataset, note_on_name, open_dataset
from training.data.part_names import PARTS
from training.errors import DatasetError

SMALL = Input(colour=Colour.RGB, height=7, width=7)


def sizes(dataset: Dataset) -> dict[str, int]:
    parts = {name: getattr(dataset, name) for name in PARTS}
    return {name: len(images) for name, images in parts.items() if images is not None}


def test_class_folders_become_parts(photos: Path) -> None:
    """Labels are the names of the folders; of 20 images a class one validates and one calibrates."""
    dataset = open_dataset(str(photos), target=SMALL)
    assert dataset.metadata.labels == CLASSES
    assert sizes(dataset) == {"train": 54, "validation": 3, "calibration": 3}
    assert dataset.test is None
    assert np.bincount(dataset.train.labels).tolist() == [18, 18, 18]


def test_evaluation_sees_what_the_service_would_see(photos: Path) -> None:
    """Every held-out row is `preprocess` of one of the files of its class."""
    preprocessing = Preprocessing(crop_fraction=0.8)
    dataset = open_dataset(str(photos), target=SMALL, preprocessing=preprocessing)
    for images in (dataset.validation, dataset.calibration):
        for row, label in zip(images.images, images.labels, strict=True):
            files = (photos / CLASSES[label]).iterdir()
            assert any((preprocess(Image.open(file), SMALL, preprocessing) == row).all() for file in files)


def test_given_parts_are_kept_and_missing_ones_held_out(photos: Path, tmp_path: Path) -> None:
    """With val and test there, only calibration comes out of the training images."""
    root = tmp_path / "parts"
    shutil.copytree(photos, root / "train")
    for part in ("val", "test"):
        for name in CLASSES:
            write_class(root / part / name, 2, seed=len(part))
    assert sizes(open_dataset(str(root), target=SMALL)) == {"train": 57, "validation": 6, "calibration": 3, "test": 6}


def test_the_same_seed_gives_the_same_data_set(photos: Path) -> None:
    """And another seed another one."""
    first, again, other = (open_dataset(str(photos), target=SMALL, seed=seed).validation.images for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_five_hundred_photos_are_enough(tmp_path: Path) -> None:
    """Five classes of a hundred: 450 to train on, 25 to stop, 25 to calibrate."""
    for name in "abcde":
        write_class(tmp_path / name, 100, size=(8, 8))
    dataset = open_dataset(str(tmp_path), target=SMALL)
    assert sizes(dataset) == {"train": 450, "validation": 25, "calibration": 25}
    assert np.bincount(dataset.calibration.labels).tolist() == [5] * 5


def test_a_class_with_two_images_is_all_for_training(photos: Path) -> None:
    """Copies do not count as further images."""
    write_class(photos / "dog", 2)
    shutil.copy(photos / "dog" / "000.png", photos / "dog" / "copy.png")
    dataset = open_dataset(str(photos), target=SMALL)
    parts = (dataset.train, dataset.validation, dataset.calibration)
    assert [int((part.labels == 3).sum()) for part in parts] == [3, 0, 0]


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_what_is_held_out_is_a_fraction(photos: Path, share: float) -> None:
    """Nothing held out is nothing to stop or calibrate on."""
    with pytest.raises(DatasetError, match="is not a fraction of the training images: choose one such as 0.05"):
        open_dataset(str(photos), target=SMALL, validation=share)


def test_uneven_classes_are_reported(photos: Path) -> None:
    """Before the training, where something can still be done about it."""
    write_class(photos / "dog", 60)
    sentences = open_dataset(str(photos), target=SMALL).sentences()
    assert any("3.0 times the images of the smallest: dog 54, ant 18" in sentence for sentence in sentences)


def test_a_table_is_a_source(photos: Path) -> None:
    """Its parts and labels are those of the columns."""
    rows = [f"{path.relative_to(photos)},{path.parent.name}" for path in sorted(photos.glob("*/*.png"))]
    (photos / "all.csv").write_text("\n".join(["path,label", *rows]))
    table, folder = (open_dataset(str(source), target=SMALL) for source in (photos / "all.csv", photos))
    assert table.metadata.labels == CLASSES
    np.testing.assert_array_equal(table.train.images, folder.train.images)


def test_idx_files_are_a_source(dataset: Path) -> None:
    """At their own size, no pixel changed; the t10k files are the test part."""
    opened = open_dataset(str(dataset))
    assert sizes(opened) == {"train": 360, "validation": 20, "calibration": 20, "test": 80}
    assert opened.target == Input(colour=Colour.L, height=16, width=16)
    assert opened.test is not None
    np.testing.assert_array_equal(opened.test.images[..., 0], striped(80, seed=2)[0])


def test_pixels_beyond_the_limit_lie_in_the_cache(photos: Path, cache: Path) -> None:
    """They are the same, PyTorch takes them, and no file is left to clean up."""
    large = open_dataset(str(photos), target=SMALL, cache=cache, memory_bytes=0)
    assert isinstance(large.train.images, np.memmap)
    np.testing.assert_array_equal(large.train.images, open_dataset(str(photos), target=SMALL).train.images)
    assert torch.from_numpy(large.train.images).shape == (54, 8, 8, 3)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("source", ["", "no/such/folder", "mnist2", "a\0b", "~nobody/pictures", __file__])
def test_an_unknown_source_is_refused_with_what_there_is(source: str) -> None:
    """Folders, tables, names."""
    with pytest.raises(
        DatasetError, match=r"a folder of class folders or IDX files, a table .* or one of mnist, fashion"
    ):
        open_dataset(source)


def test_the_first_sentence_names_the_classes_and_the_input(photos: Path) -> None:
    """So that folders taken for classes by mistake are seen at once."""
    assert open_dataset(str(photos), target=SMALL).sentences()[0] == (
        "pictures of photos: 3 classes (ant, bee, cat), images: 54 train, 3 validation, 3 calibration; input 7x7 RGB"
    )


def test_classes_that_differ_in_case_are_told(photos: Path) -> None:
    """They may be two letters, or one class."""
    write_class(photos / "Cat", 20, seed=2)
    dataset = open_dataset(str(photos), target=SMALL)
    assert "the classes 'Cat' and 'cat' differ only in case: join them if they are one" in dataset.sentences()


def test_an_earlier_version_or_an_older_run_keeps_the_order_of_its_classes(tmp_path: Path) -> None:
    """Class 10 of a run that is older than the order of numbers stays the second; images follow their class."""
    for name in ("1", "2", "10"):
        write_class(tmp_path / name, int(name) + 3)
    by_number, by_text, as_earlier, other = (
        open_dataset(str(tmp_path), target=SMALL),
        open_dataset(str(tmp_path), target=SMALL, as_before=True),
        open_dataset(str(tmp_path), target=SMALL, earlier=("10", "2", "1")),
        open_dataset(str(tmp_path), target=SMALL, earlier=("10", "2", "3")),
    )
    assert by_number.metadata.labels == other.metadata.labels == ("1", "2", "10")
    assert (by_text.metadata.labels, as_earlier.metadata.labels) == (("1", "10", "2"), ("10", "2", "1"))
    assert np.bincount(by_number.train.labels).tolist() == [2, 3, 11]
    assert np.bincount(by_text.train.labels).tolist() == [2, 11, 3]
    assert np.bincount(as_earlier.train.labels).tolist() == [11, 3, 2]


def test_a_folder_called_as_a_data_set_is_told(photos: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """The name is read, and ./digits would be the folder; a download that fails says so too."""
    monkeypatch.chdir(photos.parent)
    photos.rename("digits")
    assert str(note_on_name("digits")).endswith("what is called digits in this folder is read with --data ./digits")
    assert note_on_name("./digits") is note_on_name("mnist") is None
    assert open_dataset("./digits", target=SMALL).metadata.labels == CLASSES
    Path("mnist").mkdir()
    Path("file").touch()
    with pytest.raises(DatasetError, match="could not be downloaded .*; mnist is the data set of this name; what is"):
        open_dataset("mnist", cache=Path("file"))
