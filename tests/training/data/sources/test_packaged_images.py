"""The images that scikit-learn brings with it."""

import numpy as np
from sklearn.datasets import load_digits, load_sample_images

from training.data.sources.packaged_images import read_digits, read_photographs


def test_digits_are_those_that_scikit_learn_loads() -> None:
    """The grey levels 0 to 16 become 0 to 255, in scikit-learn's order and with its labels."""
    theirs, ours = load_digits(), read_digits()
    assert ours.images.shape == (1797, 8, 8, 1)
    assert (ours.images.dtype.name, ours.labels.dtype.name) == ("uint8", "int64")
    np.testing.assert_array_equal(ours.images[..., 0], np.round(theirs.images * 255 / 16))
    np.testing.assert_array_equal(ours.labels, theirs.target)


def test_photographs_are_those_that_scikit_learn_loads() -> None:
    """The same pixels in the same order: the temple first, then the flower."""
    for ours, theirs in zip(read_photographs(), load_sample_images().images, strict=True):
        np.testing.assert_array_equal(np.asarray(ours), theirs)
