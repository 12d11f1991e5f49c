"""Conformal quantiles hold for a new image."""

from fractions import Fraction

import numpy as np
import pytest

from training.evaluation.conformal_quantile import conformal_quantile, images_needed


@pytest.mark.parametrize(("images", "rank"), [(9, 9), (10, 10), (99, 90), (100, 91), (199, 180)])
def test_the_rank_counts_the_new_image_too(images: int, rank: int) -> None:
    """ceil((n + 1) 0.9), exact also where a product of floats is not."""
    assert conformal_quantile(np.arange(1.0, images + 1), Fraction("0.9")) == rank


@pytest.mark.parametrize(("coverage", "needed"), [("0.8", 4), ("0.9", 9), ("0.95", 19), ("0.99", 99)])
def test_one_image_less_than_needed_gives_no_quantile(coverage: str, needed: int) -> None:
    """Below that number only the set of all classes keeps the promise."""
    assert images_needed(Fraction(coverage)) == needed
    assert conformal_quantile(np.zeros(needed - 1), Fraction(coverage)) is None
    assert conformal_quantile(np.zeros(needed), Fraction(coverage)) == 0.0
