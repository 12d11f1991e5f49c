"""Random crops of training images, on which a variant is compared with fp32 where labelled images are too few."""

from dataclasses import dataclass

import numpy as np

from models.contract import Input, Pixels, Preprocessing, preprocess
from training.data.labelled_images import to_picture
from training.optimize.sample_photos import SMALLEST_AREA, random_crop

_MAKING_CROPS, _TEST_CROPS = 200, 400


@dataclass(frozen=True)
class TrainingCrops:
    """making, testing: uint8 [N, height, width, channels], of different images; made_of: the indices of the former."""

    making: Pixels
    testing: Pixels
    made_of: np.ndarray[tuple[int], np.dtype[np.int64]]
    description: str


def training_crops(images: Pixels, target: Input, preprocessing: Preprocessing, fewest: int) -> TrainingCrops:
    """Return crops of uint8 [N, H, W, C] to make a variant with, and at least `fewest` of the others to test it on.

    The same on every call. N is at least 2.
    """
    random = np.random.default_rng(seed=0)
    order = random.permutation(len(images))
    made_of, tested = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    making, testing = (
        np.stack(
            [
                preprocess(random_crop(to_picture(images[index]), random, mirror=False), target, preprocessing)
                for index in np.resize(chosen, count)
            ]
        )
        for chosen, count in ((made_of, _MAKING_CROPS), (tested, max(_TEST_CROPS, fewest)))
    )
    description = f"random crops, each at least {SMALLEST_AREA:.0%}, of {len(tested):,} training images"
    return TrainingCrops(making, testing, made_of, description)
