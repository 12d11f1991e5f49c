"""The energy of images, from their logits."""

import numpy as np
import pytest

from service.engine.energy import energies_of


@pytest.mark.parametrize("size", [1, 100, 1e4])
@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_it_is_the_negative_logarithm_of_the_sum_of_powers(classes: int, size: float) -> None:
    """Computed in float32, it is what float64 gives, and it does not overflow."""
    logits = np.random.default_rng(classes).normal(0, size, (16, classes)).astype(np.float32)
    energies = energies_of(logits)
    assert energies.dtype == np.float32
    assert energies.shape == (16,)
    np.testing.assert_allclose(energies, -np.logaddexp.reduce(logits.astype(np.float64), axis=1), rtol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_that_is_not_finite_has_no_energy(value: float) -> None:
    """The energy is NaN, so that the image fails; the other rows have theirs."""
    broken, other = energies_of(np.array([[1, value], [0, 0]], np.float32))
    assert np.isnan(broken)
    assert other == pytest.approx(-np.log(2))
