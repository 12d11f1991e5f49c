"""Conformal quantiles: bounds that hold for a new image with a given probability, for any distribution."""

import math
from fractions import Fraction

import numpy as np

from training.evaluation.metrics import Floats


def conformal_quantile(scores: Floats, coverage: Fraction) -> float | None:
    """Return the smallest score [n] that a new one does not exceed with a probability of at least `coverage`.

    This is the ceil((n + 1) coverage)-th smallest; the 1 stands for the new image. None when n is too small for it.
    Source: Vovk, Gammerman and Shafer, 2005; Romano, Sesia and Candes, NeurIPS 2020, algorithm 1.
    """
    rank = math.ceil((len(scores) + 1) * coverage)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else None


def images_needed(coverage: Fraction) -> int:
    """Return the smallest number of scores for which `conformal_quantile` is not None."""
    return math.ceil(coverage / (1 - coverage))
