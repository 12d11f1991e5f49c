"""Predicts when a request would be answered, from measured batch times and the number of images ahead of it."""

import math
from collections.abc import Callable
from functools import cache

_WEIGHT = 0.1
"""Weight of the newest response in the exponential average that corrects the measured times."""
_DEVIATIONS = 3.0
"""Mean deviations above the average for the pessimistic forecast; 1 % of normally distributed times exceed it."""
_LEAST_SPREAD = 0.1
"""Lower bound of the mean deviation, as a share of the average, because steady times do not stay steady."""
_LEAST, _MOST = 0.5, 20.0
"""Bounds of the correction, so that one outlier does not make the controller reject all requests."""


class LatencyModel:
    """The measured times of the engine alone, times a correction that is learned from the responses."""

    def __init__(self, seconds: Callable[[int], float], concurrency: int, max_batch_size: int) -> None:
        """Create a model with the correction 1.

        seconds: maps a batch size to the seconds of such a batch while `concurrency` of them run. It always returns the
        same for a size.
        """
        self._seconds = seconds
        self._concurrency = concurrency
        self._max_batch_size = max_batch_size
        self._modelled_s = cache(self._model_s)  # one cached value per number of images ever admitted at a time
        self._correction = 1.0
        self._spread = 0.0

    def expected_s(self, ahead: int, count: int = 1) -> float:
        """Return the expected seconds until the last of `count` images is answered, with `ahead` images before them."""
        return self._correction * self._modelled_s(ahead + count)

    def pessimistic_s(self, ahead: int, count: int = 1) -> float:
        """Return the same as a pessimistic estimate, which few responses exceed."""
        spread = max(self._spread, _LEAST_SPREAD * self._correction)
        return (self._correction + _DEVIATIONS * spread) * self._modelled_s(ahead + count)

    def observe(self, ahead: int, count: int, took_s: float) -> None:
        """Correct the model with the actual seconds of a response.

        Compares with the measured times, not with the forecast at admission: since then the correction has changed.
        """
        ratio = min(max(took_s / self._modelled_s(ahead + count), _LEAST), _MOST)
        self._spread += _WEIGHT * (abs(ratio - self._correction) - self._spread)
        self._correction += _WEIGHT * (ratio - self._correction)

    def _model_s(self, images: int) -> float:
        each = min(math.ceil(images / self._concurrency), self._max_batch_size)
        rounds = math.ceil(images / (each * self._concurrency))
        return rounds * self._seconds(each)
