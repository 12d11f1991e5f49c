"""Which images train, validate and calibrate; and how uneven classes are evened out."""

import numpy as np
import pytest

from training.data.split import describe_small_classes, stratified_split
from training.errors import DatasetError


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


def test_a_small_class_is_in_every_part() -> None:
    """Three images are one for each, however small the fractions."""
    labels = np.repeat([0, 1], [100, 3]).astype(np.int64)
    split = stratified_split(labels, 0.05, 0.05, seed=0)
    assert all((labels[part] == 1).sum() == 1 for part in (split.train, split.validation, split.calibration))


def test_a_class_too_small_to_split_is_all_for_training() -> None:
    """A long tail can be trained; what is left to measure comes from the other classes."""
    labels = np.array([0] * 100 + [1] * 2, np.int64)
    split = stratified_split(labels, 0.1, 0.1, seed=0)
    assert (labels[split.train] == 1).sum() == 2
    assert (len(split.validation), len(split.calibration)) == (10, 10)


def test_classes_that_are_all_too_small_are_refused() -> None:
    """Nothing would choose the epoch and fit the probabilities."""
    with pytest.raises(DatasetError, match="no class has enough different images.*add images"):
        stratified_split(np.repeat([0, 1], 2).astype(np.int64), 0.1, 0.1, seed=0)


def test_small_classes_are_described() -> None:
    """Those that are all for training, and the share that one image of each class takes."""
    names = tuple("abcd")
    every = np.arange(4, dtype=np.int64)
    assert describe_small_classes(np.repeat(every, 18), np.r_[every, every], names, wanted=0.1) == []
    few = describe_small_classes(np.r_[every, 3], np.r_[every[:3], every[:3]], names, wanted=0.1)
    assert few == [
        "these classes are too small to hold images out, so all are for training: d (2)",
        "6 of 11 images are held out, 55 % where 10 % are wanted, since validation and calibration take at least one "
        "of each class: add images",
    ]


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (-0.1, 0.2), (0.2, float("nan"))])
def test_fractions_must_leave_something_to_train_on(fractions: tuple[float, float]) -> None:
    """Before anything is split."""
    with pytest.raises(DatasetError, match="leave nothing to train on"):
        stratified_split(np.zeros(100, np.int64), *fractions, seed=0)
