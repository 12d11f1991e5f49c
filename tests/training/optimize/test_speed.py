"""Images per second of several graphs."""

import numpy as np

from models.contract import Precision
from tests.training.conftest import SIDE, Exported
from training.evaluation.machine import machine
from training.optimize.speed import BATCH_SIZE, measure_speeds


def test_fp32_is_its_own_measure(exported: Exported) -> None:
    """Its ratio is 1; a batch has at most as many images as there are."""
    pixels = np.zeros((BATCH_SIZE + 4, SIDE, SIDE, 1), np.uint8)
    for images, size in ((pixels, BATCH_SIZE), (pixels[:3], 3)):
        (found,) = measure_speeds({Precision.FP32: exported.path}, images).values()
        assert (found.ratio, found.batch_size, found.threads) == (1.0, size, 1)
        assert found.images_per_s > 0
        assert found.machine == machine()
