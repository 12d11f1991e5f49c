"""Pictures that differ in every way that matters for judging a network without a data set."""

import numpy as np
from numpy.typing import NDArray

from models.contract import Input, Preprocessing
from training.importing.fixed_images import fixed_images
from training.importing.golden_photos import shipped_photos

COUNT = 16


def varied_pictures(target: Input, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Return uint8 [16, height, width, channels]; the same on every call.

    Three photos as they are, then inverted, dark, and with reversed channels, then black, white and two noises.
    """
    photos = [photo.pixels(target, preprocessing) for photo in shipped_photos()]
    inverted = [255 - photo for photo in photos]
    dark = [photo // 4 for photo in photos]
    exchanged = [photo[::-1, :, ::-1] for photo in photos]
    return np.stack([*photos, *inverted, *dark, *exchanged, *fixed_images(target, COUNT - 4 * len(photos))])
