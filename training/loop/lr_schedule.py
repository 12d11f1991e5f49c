"""Learning rates as a share of their peak: up in a straight line during the warm-up, then as the schedule says."""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from torch.optim import Optimizer

from training.loop.recipe import ScheduleName

_DROPS = (0.5, 0.75)
"""Where in the run the step schedule divides the rate by ten."""
_AFTER_WARM_UP: dict[ScheduleName, Callable[[float], float]] = {
    "constant": lambda _: 1.0,
    "step": lambda done: 0.1 ** sum(done >= drop for drop in _DROPS),
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
    "one-cycle": lambda done: 1 - done,
}


def share_of_peak(schedule: ScheduleName, warm_up: float, done: float) -> float:
    """Share of the peak rate, 0 to 1, when the share `done` of all steps is behind."""
    if done < warm_up:
        return done / warm_up
    return _AFTER_WARM_UP[schedule]((done - warm_up) / (1 - warm_up))


class LrSchedule:
    """Sets the rates of optimizers; it remembers nothing but their peaks."""

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
        """Asked for each time: an optimizer that is read back from a checkpoint has new ones."""
        return chain.from_iterable(optimizer.param_groups for optimizer in self._optimizers)
