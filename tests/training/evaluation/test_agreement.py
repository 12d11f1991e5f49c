"""Distances between the probabilities of two graphs."""

import numpy as np

from training.evaluation.agreement import compare, total_variation


def test_distances_are_those_of_probabilities() -> None:
    """Total variation: 0 for the same row, 1 for rows without a common class."""
    first = np.array([[1, 0, 0], [0.5, 0.5, 0]], np.float32)
    second = np.array([[0, 1, 0], [0.5, 0.25, 0.25]], np.float32)
    np.testing.assert_allclose(total_variation(first, second), [1, 0.25])
    assert compare(first, second, "none").top1 == 0.5
