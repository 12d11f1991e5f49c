"""Images that come as arrays."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.contract import Colour, Input, preprocess
from tests.training.conftest import idx, striped
from tests.training.conftest import write_dataset as write_idx
from training.data.dataset import open_dataset
from training.data.picture_fit import PictureFit
from training.errors import DatasetError


def test_arrays_keep_their_size_and_take_the_input_s_colours(dataset: Path) -> None:
    """Training enlarges batch by batch; evaluation sees `preprocess`."""
    target = Input(colour=Colour.RGB, height=20, width=24)
    opened = open_dataset(str(dataset), target=target)
    assert opened.train.images.shape == (360, 16, 16, 3)
    assert opened.test is not None
    expected = preprocess(Image.fromarray(striped(80, seed=2)[0][3]), target, opened.preprocessing)
    np.testing.assert_array_equal(opened.test.images[3], expected)


def test_whole_arrays_are_trained_on_as_they_are_evaluated(dataset: Path) -> None:
    """Padded to a wide input, not stretched."""
    target = Input(colour=Colour.L, height=20, width=40)
    opened = open_dataset(str(dataset), target=target, fit=PictureFit(resize="pad", pad_colour=(255, 0, 0)))
    assert opened.train.images.shape[1:] == target.shape
    assert np.unique(opened.train.images[:, :, :10]).tolist() == [76]


def test_the_same_image_in_both_idx_parts_is_refused(tmp_path: Path) -> None:
    """By its numbers, since it has no name."""
    write_idx(tmp_path, train=80, test=40)
    for kind in ("images-idx3", "labels-idx1"):
        shutil.copy(tmp_path / f"train-{kind}-ubyte", tmp_path / f"t10k-{kind}-ubyte")
    with pytest.raises(
        DatasetError, match=r"training image 0 of IDX files in .*\(train\) and test image 0 of .*\(test\) are the same"
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
