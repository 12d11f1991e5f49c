"""Sources opened from end to end."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.contract import Colour, Input, Preprocessing, preprocess
from tests.training.conftest import idx, striped
from tests.training.conftest import write_dataset as write_idx
from tests.training.data.conftest import CLASSES, picture, write_class
from training.data.dataset import Dataset, open_dataset
from training.data.split import PARTS
from training.errors import DatasetError

SMALL = Input(colour=Colour.RGB, height=7, width=7)


def sizes(dataset: Dataset) -> dict[str, int]:
    parts = {name: getattr(dataset, name) for name in PARTS}
    return {name: len(images) for name, images in parts.items() if images is not None}


def test_class_folders_become_parts(photos: Path) -> None:
    """Labels are the names of the folders; of 20 images a class one validates and one calibrates."""
    dataset = open_dataset(str(photos), target=SMALL)
    assert dataset.facts.labels == CLASSES
    assert sizes(dataset) == {"train": 54, "validation": 3, "calibration": 3}
    assert dataset.test is None
    assert np.bincount(dataset.train.labels).tolist() == [18, 18, 18]


def test_evaluation_sees_what_the_service_would_see(photos: Path) -> None:
    """Every held-out row is `preprocess` of one of the files of its class."""
    how = Preprocessing(crop_fraction=0.8)
    dataset = open_dataset(str(photos), target=SMALL, how=how)
    for images in (dataset.validation, dataset.calibration):
        for row, label in zip(images.images, images.labels, strict=True):
            files = (photos / CLASSES[label]).iterdir()
            assert any((preprocess(Image.open(file), SMALL, how) == row).all() for file in files)


def test_training_pictures_have_room_for_random_crops(photos: Path) -> None:
    """An eighth of each side is margin: 8 pixels where the network takes 7."""
    assert open_dataset(str(photos), target=SMALL).train.images.shape == (54, 8, 8, 3)


def test_the_middle_of_a_training_picture_is_what_evaluation_sees(tmp_path: Path) -> None:
    """Where evaluation cuts the margin off, it has the same scale: only the resampling of the border differs."""
    smooth = Image.linear_gradient("L").resize((256, 256)).convert("RGB")
    for number, name in enumerate(CLASSES * 3):
        (tmp_path / name).mkdir(exist_ok=True)
        smooth.point(lambda value, n=number: value * (20 - n) // 20).resize((300, 320)).save(
            tmp_path / name / f"{number}.png"
        )
    target, how = Input(colour=Colour.RGB, height=56, width=56), Preprocessing(crop_fraction=0.875)
    dataset = open_dataset(str(tmp_path), target=target, how=how)
    middle = dataset.train.images[:, 4:60, 4:60].astype(int)
    brightest = [
        preprocess(Image.open(tmp_path / name / f"{n}.png"), target, how) for n, name in enumerate(CLASSES * 3)
    ]
    assert all(min(np.abs(row - seen).max() for seen in brightest) <= 2 for row in middle)


def test_small_pictures_of_one_size_keep_it(tmp_path: Path) -> None:
    """A folder of grey 12x10 pictures is a data set of grey 12x10 pixels, not of photographs."""
    for name in CLASSES:
        (tmp_path / name).mkdir()
        for number in range(5):
            picture(ord(name[0]) * 100 + number, mode="L").save(tmp_path / name / f"{number}.png")
    dataset = open_dataset(str(tmp_path))
    assert dataset.target == Input(colour=Colour.L, height=10, width=12)
    assert dataset.train.images.shape == (9, 10, 12, 1)
    assert dataset.how.resize == "squash"


def test_pictures_of_many_sizes_are_taken_as_photographs(photos: Path) -> None:
    """224x224 in colour, 256x256 for training, unless the user says otherwise."""
    picture(0, (30, 20)).save(photos / "ant" / "other.png")
    dataset = open_dataset(str(photos))
    assert dataset.target.shape == (224, 224, 3)
    assert dataset.train.images.shape[1:] == (256, 256, 3)


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
        assert dataset.findings.copies == 20
        assert "20 images are copies of others in the same part" in dataset.sentences()
        assert sizes(dataset) == {"train": 72, "validation": 4, "calibration": 4}
        assert len(np.unique(dataset.validation.images, axis=0)) == 3


def test_a_copy_under_another_label_is_reported(photos: Path) -> None:
    """One of the two labels is wrong; which one, only a person can say."""
    shutil.copy(photos / "ant" / "000.png", photos / "bee" / "ant.png")
    dataset = open_dataset(str(photos), target=SMALL)
    assert (dataset.findings.copies, dataset.findings.disputed) == (1, 1)
    assert any("another label than the original" in sentence for sentence in dataset.sentences())


def test_a_class_with_two_images_is_too_small(photos: Path) -> None:
    """Copies do not count."""
    write_class(photos / "dog", 2)
    shutil.copy(photos / "dog" / "000.png", photos / "dog" / "copy.png")
    with pytest.raises(DatasetError, match="class 'dog' has 2 different images, too few to hold out 2"):
        open_dataset(str(photos), target=SMALL)


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
    assert table.facts.labels == CLASSES
    np.testing.assert_array_equal(table.train.images, folder.train.images)


def test_idx_files_are_a_source(dataset: Path) -> None:
    """At their own size, no pixel changed; the t10k files are the test part."""
    opened = open_dataset(str(dataset))
    assert sizes(opened) == {"train": 360, "validation": 20, "calibration": 20, "test": 80}
    assert opened.target == Input(colour=Colour.L, height=16, width=16)
    assert opened.test is not None
    np.testing.assert_array_equal(opened.test.images[..., 0], striped(80, seed=2)[0])


def test_arrays_keep_their_size_and_take_the_input_s_colours(dataset: Path) -> None:
    """Training enlarges batch by batch; evaluation sees `preprocess`."""
    target = Input(colour=Colour.RGB, height=20, width=24)
    opened = open_dataset(str(dataset), target=target)
    assert opened.train.images.shape == (360, 16, 16, 3)
    assert opened.test is not None
    expected = preprocess(Image.fromarray(striped(80, seed=2)[0][3]), target, opened.how)
    np.testing.assert_array_equal(opened.test.images[3], expected)


def test_the_same_image_in_both_idx_parts_is_refused(tmp_path: Path) -> None:
    """By its numbers, since it has no name."""
    write_idx(tmp_path, train=80, test=40)
    for kind in ("images-idx3", "labels-idx1"):
        shutil.copy(tmp_path / f"train-{kind}-ubyte", tmp_path / f"t10k-{kind}-ubyte")
    with pytest.raises(
        DatasetError, match=r"image 0 of IDX files in .*\(train\) and image 0 of .*\(test\) are the same"
    ):
        open_dataset(str(tmp_path))


def test_a_number_that_no_image_has_is_an_empty_class(dataset: Path) -> None:
    """Five names for four classes."""
    with pytest.raises(DatasetError, match="the class 'none' has no training images"):
        open_dataset(str(dataset), labels=("top", "bottom", "belt", "pole", "none"))


def test_idx_files_of_one_class_are_refused(tmp_path: Path) -> None:
    """All labels 0: there is nothing to tell apart."""
    write_idx(tmp_path, train=80, test=40)
    for part, count in (("train", 80), ("t10k", 40)):
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.zeros(count, np.uint8)))
    with pytest.raises(DatasetError, match="only one class, '0': a classifier needs at least two"):
        open_dataset(str(tmp_path))


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
