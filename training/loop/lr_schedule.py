"""Learning rates as a share of their peak: a linear warm-up, then the schedule."""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from torch.optim import Optimizer

from training.loop.recipe import ScheduleName

_DROPS = (0.5, 0.75)
"""Shares of the run after which the step schedule divides the rate by ten."""
_AFTER_WARM_UP: dict[ScheduleName, Callable[[float], float]] = {
    "constant": lambda _: 1.0,
    "step": lambda done: 0.1 ** sum(done >= drop for drop in _DROPS),
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
    "one-cycle": lambda done: 1 - done,
}


def share_of_peak(schedule: ScheduleName, warm_up: float, done: float) -> float:
    """Return the share of the peak rate, 0 to 1, after the share `done` of all steps."""
    if done < warm_up:
        return done / warm_up
    return _AFTER_WARM_UP[schedule]((done - warm_up) / (1 - warm_up))


class LrSchedule:
    """Sets the rates of optimizers. Its only state are their peak rates."""

    def __init__(self, optimizers: Iterable[Optimizer], steps: int, schedule: ScheduleName, warm_up: float) -> None:
        self._optimizers = tuple(optimizers)
        self._peaks = [group["lr"] for group in self._groups()]
        self._steps, self._schedule, self._warm_up = steps, schedule, warm_up

    def set(self, step: int) -> float:
        """Set the rates of `step`, counted from 0. Returns the share of the peak."""
        share = share_of_peak(self._schedule, self._warm_up, (step + 1) / (self._steps + 1))
        for group, peak in zip(self._groups(), self._peaks, strict=True):
            group["lr"] = peak * share
        return share

    def _groups(self) -> Iterator[dict[str, Any]]:
        """Read the groups each time: an optimizer that loads a checkpoint replaces them."""
        return chain.from_iterable(optimizer.param_groups for optimizer in self._optimizers)
