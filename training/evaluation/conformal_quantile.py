"""A bound that holds for a new image with a wanted probability, whatever the distribution."""

import math
from fractions import Fraction

import numpy as np

from training.evaluation.metrics import Floats


def conformal_quantile(scores: Floats, coverage: Fraction) -> float | None:
    """The smallest score [n] that a new one of their kind does not exceed with a probability of at least `coverage`.

    It is the ceil((n + 1) coverage)-th smallest; the 1 stands for the new image. None when n is too small for it.
    Source: Vovk, Gammerman and Shafer, 2005; Romano, Sesia and Candes, NeurIPS 2020, algorithm 1.
    """
    rank = math.ceil((len(scores) + 1) * coverage)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else None


def images_needed(coverage: Fraction) -> int:
    """The fewest scores of which `conformal_quantile` is not None."""
    return math.ceil(coverage / (1 - coverage))
