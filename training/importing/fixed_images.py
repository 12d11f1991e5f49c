"""Images on which two forms of one network are compared; they need no data set."""

import numpy as np
from numpy.typing import NDArray

from models.contract import Input


def fixed_images(target: Input, count: int = 5) -> NDArray[np.uint8]:
    """Return uint8 [count, height, width, channels]: black, white, then noise from fine to coarse; the same on every
    call.
    """
    random = np.random.default_rng(seed=0)
    images = np.zeros((count, *target.shape), np.uint8)
    images[1:2] = 255
    for row, image in enumerate(images[2:]):
        block = 4**row
        coarse = random.integers(0, 256, (target.height // block + 1, target.width // block + 1, image.shape[2]))
        image[:] = np.kron(coarse, np.ones((block, block, 1)))[: target.height, : target.width]
    return images
