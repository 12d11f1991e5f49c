"""Which classes a client is told."""

import numpy as np
import pytest

from service.inference.postprocess import ranking, top


@pytest.mark.parametrize("classes", [1, 2, 10, 256, 257, 1000, 5000])
@pytest.mark.parametrize("count", [1, 2, 5, 300])
@pytest.mark.parametrize("distinct", [1, 3, 100_000])
def test_the_first_are_those_of_the_whole_ranking(classes: int, count: int, distinct: int) -> None:
    """Equal probabilities too, which stay in the order of the labels."""
    values = np.random.default_rng(classes).integers(0, distinct, classes)
    probabilities = (values / max(values.sum(), 1)).astype(np.float32)
    assert top(probabilities, count).tolist() == ranking(probabilities)[:count].tolist()
