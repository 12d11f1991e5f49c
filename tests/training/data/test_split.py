"""Which images train, validate and calibrate; and how uneven classes are evened out."""

import numpy as np
import pytest

from training.data.split import stratified_split
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


def test_a_class_too_small_to_split_is_named() -> None:
    """Better an error than a class that calibration never sees."""
    labels = np.array([0] * 100 + [1] * 2, np.int64)
    with pytest.raises(DatasetError, match=r"class 'bee' has 2 different images, too few to hold out 2.*add images"):
        stratified_split(labels, 0.1, 0.1, seed=0, names=("ant", "bee"))


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (-0.1, 0.2), (0.2, float("nan"))])
def test_fractions_must_leave_something_to_train_on(fractions: tuple[float, float]) -> None:
    """Before anything is split."""
    with pytest.raises(DatasetError, match="leave nothing to train on"):
        stratified_split(np.zeros(100, np.int64), *fractions, seed=0)
