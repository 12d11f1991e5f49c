"""Learning rates as a share of their peak: a linear warm-up, then the schedule."""

import math
from collections.abc import Callable, Iterable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

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


def build_schedules(
    optimizers: Iterable[Optimizer], batches: int, schedule: ScheduleName, warm_up: float, *, accumulate: int = 1
) -> tuple[LambdaLR, ...]:
    """Return a schedule for each optimizer, to be stepped after it, and set the rates of the first step.

    The present rates of the optimizers are the peaks. batches: of the whole run; accumulate: batches in one step.
    """

    def share(step: int) -> float:
        return share_of_peak(schedule, warm_up, min(1.0, (step + 1) * accumulate / (batches + 1)))

    return tuple(LambdaLR(optimizer, share) for optimizer in optimizers)
