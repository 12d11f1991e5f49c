"""The images that scikit-learn brings with it: digits and two photographs, read without importing it."""

import gzip
from io import BytesIO

import numpy as np
from PIL import Image

from training.data.labelled_images import LabelledImages
from training.data.package_files import read_package_file

_PACKAGE = "scikit-learn"
_PHOTOGRAPHS = ("china.jpg", "flower.jpg")
_LEVELS = 16


def read_digits() -> LabelledImages:
    """Return scikit-learn's 1,797 grey images of 8x8 pixels, bright on dark; their 17 levels become 0 to 255.

    Raises DatasetError without scikit-learn.
    """
    table = gzip.decompress(read_package_file(_PACKAGE, "sklearn/datasets/data/digits.csv.gz")).decode("ascii")
    rows = np.loadtxt(table.splitlines(), delimiter=",")
    images = np.round(rows[:, :-1].reshape(-1, 8, 8) * (255 / _LEVELS)).astype(np.uint8)
    return LabelledImages(images[..., None], rows[:, -1].astype(np.int64))


def read_photographs() -> list[Image.Image]:
    """Return a temple and a flower, 640x427 colour pixels each. Raises DatasetError without scikit-learn."""
    paths = [f"sklearn/datasets/images/{name}" for name in _PHOTOGRAPHS]
    return [Image.open(BytesIO(read_package_file(_PACKAGE, path))) for path in paths]
