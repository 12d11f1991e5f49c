"""Probabilities that mean what they say. `calibrate` fits on held-out images, `measure` measures on the test images."""

from training.calibration.energy import energy
from training.calibration.fitting import calibrate, measure
from training.calibration.out_of_distribution import (
    OOD_SETS,
    OutOfDistribution,
    check_ood_name,
    ood_images,
    out_of_distribution,
)
from training.calibration.prediction_sets import COVERAGES, set_sizes

__all__ = [
    "COVERAGES",
    "OOD_SETS",
    "OutOfDistribution",
    "calibrate",
    "check_ood_name",
    "energy",
    "measure",
    "ood_images",
    "out_of_distribution",
    "set_sizes",
]
