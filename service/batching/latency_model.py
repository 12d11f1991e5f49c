"""When a request that comes now would be answered: from the measured profile and what is ahead of it."""

import math
from collections.abc import Callable
from functools import cache

_WEIGHT = 0.1
"""Of the newest answer in the average that corrects the profile."""
_DEVIATIONS = 3.0
"""Mean deviations above the average that few answers exceed: one in a hundred, were they normal."""
_LEAST_SPREAD = 0.1
"""Mean deviation, as a share of the average, that is assumed at least: even times do not stay even."""
_LEAST, _MOST = 0.5, 20.0
"""Bounds of the correction, so that one strange answer does not close the door."""


class LatencyModel:
    """The profile knows the engine alone; the ratio of what answers took to what it says corrects it."""

    def __init__(self, seconds: Callable[[int], float], concurrency: int, max_batch_size: int) -> None:
        """seconds: of a batch of that many images, with `concurrency` of them running at a time; always the same."""
        self._seconds = seconds
        self._concurrency = concurrency
        self._max_batch_size = max_batch_size
        self._modelled_s = cache(self._model_s)  # for each number of images that was inside at a time
        self._correction = 1.0
        self._spread = 0.0

    def answer_s(self, ahead: int, count: int = 1) -> float:
        """Until the last of `count` images is answered, with `ahead` others accepted before."""
        return self._correction * self._modelled_s(ahead + count)

    def late_s(self, ahead: int, count: int = 1) -> float:
        """The same for an unlucky one: few answers take longer."""
        spread = max(self._spread, _LEAST_SPREAD * self._correction)
        return (self._correction + _DEVIATIONS * spread) * self._modelled_s(ahead + count)

    def learn(self, ahead: int, count: int, took_s: float) -> None:
        """From an answer to what `answer_s` was asked about.

        It is compared with the profile and not with the forecast that it got: by now the correction is another one.
        """
        ratio = min(max(took_s / self._modelled_s(ahead + count), _LEAST), _MOST)
        self._spread += _WEIGHT * (abs(ratio - self._correction) - self._spread)
        self._correction += _WEIGHT * (ratio - self._correction)

    def _model_s(self, images: int) -> float:
        each = min(math.ceil(images / self._concurrency), self._max_batch_size)
        rounds = math.ceil(images / (each * self._concurrency))
        return rounds * self._seconds(each)
