"""The handwritten digits that come with scikit-learn."""

import numpy as np
from sklearn.datasets import load_digits

from training.data.images import LabelledImages


def read_digits() -> LabelledImages:
    """1,797 grey images of 8x8 pixels, bright on a dark ground; their 17 levels become 0 to 255."""
    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    return LabelledImages(images[..., None], digits.target.astype(np.int64))
