"""The values of a result."""

import pytest

from service.inference.results import rounded


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(1.0, 1.0), (0.12345678, 0.123457), (0.99999949, 0.999999), (1.23456789e-9, 1.23457e-9)],
)
def test_a_probability_is_rounded_to_six_significant_digits(probability: float, expected: float) -> None:
    """Small probabilities keep as many digits as large ones."""
    assert rounded(probability) == expected
