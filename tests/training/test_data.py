"""Reading IDX files and splitting them."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from models.contract import Colour, Input, Preprocessing
from tests.training.conftest import LABELS, SIDE, idx, striped
from training.data.idx import read_idx
from training.data.images import evaluation_pixels
from training.data.split import stratified_split
from training.errors import DatasetError

IMAGES, NUMBERS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def test_plain_and_gzipped_files_read_the_same(dataset: Path) -> None:
    """A folder may hold either form of each file."""
    plain = read_idx(dataset, "train", len(LABELS))
    (dataset / f"{IMAGES}.gz").write_bytes(gzip.compress((dataset / IMAGES).read_bytes()))
    (dataset / IMAGES).unlink()
    zipped = read_idx(dataset, "train", len(LABELS))
    np.testing.assert_array_equal(plain.images, zipped.images)
    np.testing.assert_array_equal(plain.images[..., 0], striped(400, seed=1)[0])


def test_a_missing_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    """The message names the file, the option and the Debian package."""
    with pytest.raises(DatasetError, match=rf"{IMAGES}.*--data.*dataset-fashion-mnist"):
        read_idx(tmp_path, "train", len(LABELS))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-1], "it was cut or changed"),
        (lambda content: content + b"\0", "it was cut or changed"),
        (lambda content: content[:6], "not an IDX file"),
        (lambda content: b"", "not an IDX file"),
        (lambda content: b"\x89PNG" + content[4:], "not an IDX file"),
        (lambda content: idx(np.zeros((400,), np.uint8)), "not an IDX file"),
        (lambda content: content[:4] + b"\xff" * 12 + content[16:], "it was cut or changed"),
    ],
)
def test_a_damaged_file_is_refused(dataset: Path, damage: object, message: str) -> None:
    """Cut, extended, of another kind, or with absurd sizes: an error that names the file, never wrong pixels."""
    path = dataset / IMAGES
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(DatasetError, match=rf"{IMAGES}.*{message}"):
        read_idx(dataset, "train", len(LABELS))


def test_a_cut_gzip_file_is_refused(dataset: Path) -> None:
    """A download that broke off is not taken for a shorter data set."""
    packed = gzip.compress((dataset / NUMBERS).read_bytes())
    (dataset / NUMBERS).unlink()
    (dataset / f"{NUMBERS}.gz").write_bytes(packed[:-9])
    with pytest.raises(DatasetError, match="not a whole gzip file"):
        read_idx(dataset, "train", len(LABELS))


def test_images_and_labels_must_be_equally_many(dataset: Path) -> None:
    """Files of two different sets do not go together."""
    (dataset / NUMBERS).write_bytes(idx(np.zeros(399, np.uint8)))
    with pytest.raises(DatasetError, match="400 images but 399 labels"):
        read_idx(dataset, "train", len(LABELS))


def test_a_label_without_a_name_is_refused(dataset: Path) -> None:
    """More classes in the files than names for them stops the run before it starts."""
    with pytest.raises(DatasetError, match="labels from 0 to 2"):
        read_idx(dataset, "train", classes=3)


def test_the_split_is_disjoint_complete_and_stratified() -> None:
    """Every image is in one part, and every part has the classes in the proportions of the whole."""
    labels = np.repeat([0, 1, 2], [600, 200, 40]).astype(np.int64)
    split = stratified_split(labels, validation=0.1, calibration=0.05, seed=3)
    together = np.concatenate([split.train, split.validation, split.calibration])
    assert sorted(together) == list(range(840))
    assert np.bincount(labels[split.validation]).tolist() == [60, 20, 4]
    assert np.bincount(labels[split.calibration]).tolist() == [30, 10, 2]


def test_the_split_depends_on_the_seed_alone() -> None:
    """The same seed gives the same parts, another seed others."""
    labels = np.arange(300, dtype=np.int64) % 3
    first, again, other = (stratified_split(labels, 0.1, 0.1, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.calibration, again.calibration)
    assert first.calibration.tolist() != other.calibration.tolist()


def test_a_class_too_small_to_split_is_named() -> None:
    """Better an error than a class that calibration never sees."""
    labels = np.array([0] * 100 + [1], np.int64)
    with pytest.raises(DatasetError, match="class 1 has 1 images"):
        stratified_split(labels, 0.1, 0.1, seed=0)


def test_evaluation_pixels_of_the_right_size_are_untouched() -> None:
    """The contract's preprocessing leaves an image that already has the input's size as it is."""
    images = striped(6, seed=0)[0][..., None]
    target = Input(colour=Colour.L, height=SIDE, width=SIDE)
    pixels = evaluation_pixels(images, target, Preprocessing(resize="squash"))
    np.testing.assert_array_equal(pixels, images)
