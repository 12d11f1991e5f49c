"""Random crops of photographs without labels, from a folder: a third makes variants, the others judge."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from models.contract import IMAGE_SUFFIXES, Input, Pixels, Preprocessing, is_litter, preprocess
from training.errors import DatasetError
from training.optimize.sample_photos import SMALLEST_AREA, Crops, random_crop

_FEWEST_PHOTOS = 30
"""With fewer, an interval over photographs says nothing."""
_FEWEST_TEST_CROPS = 2000
_FEWEST_PER_PHOTO = 4
_MOST_TEST_PHOTOS = 1000
"""Limit of the photographs that judge; their crops are in memory, 0.6 GB for 224x224 pixels in colour."""
_MAKING_CROPS = 800
"""Limit of the crops that make a variant."""


def folder_crops(folder: Path, target: Input, preprocessing: Preprocessing) -> tuple[Crops, Crops]:
    """Return crops to make a variant with, and at least 2,000 of other photographs to test it on; the same every time.

    At most 1,000 photographs judge. Files below the folder that are no pictures, damaged, or left behind by systems are
    passed over. Raises DatasetError with fewer than 30 photographs.
    """
    if not folder.is_dir():
        raise DatasetError(f"--photos: there is no folder {folder}")
    photos = [path for path in sorted(folder.rglob("*")) if _may_be_photo(path, folder) and _is_picture(path)]
    if len(photos) < _FEWEST_PHOTOS:
        raise DatasetError(f"--photos: {folder} has {len(photos)} photographs: give {_FEWEST_PHOTOS} or more")
    order = np.random.default_rng(seed=0).permutation(len(photos))
    making, testing = ([photos[index] for index in part] for part in np.split(order, [len(order) // 3]))
    testing = testing[:_MOST_TEST_PHOTOS]
    per_photo = max(_FEWEST_PER_PHOTO, -(-_FEWEST_TEST_CROPS // len(testing)))
    return (
        _crops(making[:_MAKING_CROPS], max(1, min(per_photo, _MAKING_CROPS // len(making))), target, preprocessing),
        _crops(testing, per_photo, target, preprocessing),
    )


def _may_be_photo(path: Path, folder: Path) -> bool:
    """Return whether the name is that of a picture, and nothing that systems leave behind, such as a thumbnail."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not any(map(is_litter, path.relative_to(folder).parts))


def _is_picture(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            return min(picture.size) > 1
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return False


def _crops(paths: list[Path], count: int, target: Input, preprocessing: Preprocessing) -> Crops:
    random = np.random.default_rng(seed=0)
    pixels, groups = list[Pixels](), list[int]()
    for index, path in enumerate(paths):
        try:
            with Image.open(path) as picture:
                photo = _on_white(ImageOps.exif_transpose(picture))
        except (OSError, SyntaxError):  # damaged behind its header
            continue
        pixels += [preprocess(random_crop(photo, random), target, preprocessing) for _ in range(count)]
        groups += [index] * count
    description = (
        f"{len(pixels):,} random crops, mirrored or not, each at least {SMALLEST_AREA:.0%} of one of "
        f"{len(set(groups)):,} photographs"
    )
    return Crops(np.stack(pixels), description, np.array(groups))


def _on_white(picture: Image.Image) -> Image.Image:
    """Return the picture as RGB; what is transparent becomes white."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    page = Image.new("RGBA", layer.size, "white")
    page.alpha_composite(layer)
    return page.convert("RGB")


def interval_of_share(same: NDArray[np.bool_], groups: NDArray[np.int64]) -> tuple[float, float]:
    """Return the 95 % interval of a share of images, for other photographs like these.

    same: [N]; groups: the photograph of each image, int64 [N]. Crops of one photograph are alike, so photographs are
    drawn again, with all their crops (bootstrap of clusters, percentiles).
    """
    _, group = np.unique(groups, return_inverse=True)
    hits, sizes = np.bincount(group, same.astype(np.float64)), np.bincount(group)
    drawn = np.random.default_rng(seed=0).integers(0, len(sizes), (2000, len(sizes)))
    low, high = np.quantile(hits[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)
