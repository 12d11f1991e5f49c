"""Random crops of public-domain photos from the packages scikit-image and scikit-learn; they need no labels."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.contract import Input, Pixels, Preprocessing, preprocess
from training.errors import DatasetError, MissingPackageError

_MAKING_PHOTOS = (
    "astronaut.png",
    "chelsea.png",
    "china.jpg",
    "camera.png",
    "gravel.png",
    "brick.png",
    "hubble_deep_field.jpg",
)
_TEST_PHOTOS = ("coffee.png", "rocket.jpg", "flower.jpg", "motorcycle_left.png", "coins.png")
_MAKING_CROPS, _TEST_CROPS = 32, 80
SMALLEST_AREA = 0.3
"""Smallest share of a photo's area that a crop has."""
_FOLDERS = {"scikit-image": ("skimage", "data"), "scikit-learn": ("sklearn", "datasets", "images")}


@dataclass(frozen=True)
class Crops:
    """pixels: uint8 [N, height, width, channels]; groups: the photograph of each, int64 [N]."""

    pixels: Pixels
    description: str
    groups: NDArray[np.int64]


def sample_crops(target: Input, preprocessing: Preprocessing) -> tuple[Crops, Crops]:
    """Return crops to make a variant with, and crops of other photos to test it on; the same on every call.

    The files are read without importing the packages. Raises DatasetError when one is missing.
    """
    making = _crops(_MAKING_PHOTOS, _MAKING_CROPS, target, preprocessing)
    testing = _crops(_TEST_PHOTOS, _TEST_CROPS, target, preprocessing)
    return making, testing


def _crops(names: tuple[str, ...], count: int, target: Input, preprocessing: Preprocessing) -> Crops:
    random = np.random.default_rng(seed=0)
    photographs = [_photograph(name) for name in names]
    pixels = [
        preprocess(random_crop(photo, random), target, preprocessing) for _ in range(count) for photo in photographs
    ]
    titles = ", ".join(name.split(".")[0] for name in names)
    description = (
        f"{len(pixels)} random crops, mirrored or not, each at least {SMALLEST_AREA:.0%} of one of {len(names)} "
        f"photographs ({titles}; scikit-image, scikit-learn)"
    )
    return Crops(np.stack(pixels), description, np.tile(np.arange(len(names)), count))


def random_crop(photo: Image.Image, random: np.random.Generator, *, mirror: bool = True) -> Image.Image:
    """Return a random part of the photo, of its proportions; with `mirror`, half of the parts are mirrored."""
    side = random.uniform(SMALLEST_AREA, 1) ** 0.5
    width, height = round(photo.width * side), round(photo.height * side)
    left, top = random.integers(0, photo.width - width + 1), random.integers(0, photo.height - height + 1)
    part = photo.crop((int(left), int(top), int(left) + width, int(top) + height))
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirror and random.random() < 0.5 else part


def _photograph(name: str) -> Image.Image:
    for package, folder in _FOLDERS.items():
        try:
            found = [file for file in files(package) or () if file.parts == (*folder, name)]
        except PackageNotFoundError as error:
            raise MissingPackageError("the sample photographs are in", package) from error
        if found:
            return Image.open(BytesIO(found[0].read_binary())).convert("RGB")
    raise DatasetError(f"these versions of {' and '.join(_FOLDERS)} have no photograph {name}")
