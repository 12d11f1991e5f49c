"""Tests of two classifiers on the same images."""

from math import comb

import pytest

from training.evaluation.paired_test import difference_interval, exact_mcnemar


@pytest.mark.parametrize(("first", "second"), [(0, 1), (5, 1), (1, 5), (12, 30), (3, 4), (100, 160)])
def test_the_p_value_is_that_of_the_binomial_distribution(first: int, second: int) -> None:
    """Both tails, computed with whole numbers."""
    tail = sum(comb(first + second, count) for count in range(min(first, second) + 1))
    assert exact_mcnemar(first, second) == pytest.approx(min(1, 2 * tail / 2 ** (first + second)), rel=1e-9)


def test_equal_counts_are_no_evidence() -> None:
    """Nor are no counts at all."""
    assert exact_mcnemar(0, 0) == exact_mcnemar(7, 7) == 1.0


def test_large_counts_neither_overflow_nor_lose_digits() -> None:
    """The normal distribution gives nearly the same."""
    assert exact_mcnemar(500_000, 502_000) == pytest.approx(0.0459, abs=3e-4)
    assert exact_mcnemar(0, 1_000_000) == 0.0


def test_the_interval_holds_the_difference_and_shrinks_with_images() -> None:
    """And stays within -1 and 1."""
    low, high = difference_interval(30, 12, 1000)
    assert low < 0.018 < high
    assert low == pytest.approx(0.0052, abs=2e-4)
    smaller = difference_interval(300, 120, 10_000)
    assert smaller[1] - smaller[0] < high - low
    assert difference_interval(1, 0, 1)[1] == 1.0
