"""Schedules of the learning rate."""

import math

import pytest
import torch

from training.loop.lr_schedule import build_schedules, share_of_peak
from training.loop.recipe import ScheduleName


@pytest.mark.parametrize(
    ("schedule", "at_half", "at_end"),
    [("constant", 1.0, 1.0), ("step", 0.1, 0.01), ("cosine", 0.5, 0.0), ("one-cycle", 0.5, 0.0)],
)
def test_schedules_by_their_definition(schedule: ScheduleName, at_half: float, at_end: float) -> None:
    """Shares of the peak, without a warm-up, half-way and at the end."""
    assert math.isclose(share_of_peak(schedule, 0.0, 0.5), at_half)
    assert math.isclose(share_of_peak(schedule, 0.0, 1.0), at_end, abs_tol=1e-12)


def test_the_warm_up_rises_in_a_straight_line_to_the_peak() -> None:
    """Then the schedule takes over from there."""
    assert [share_of_peak("cosine", 0.2, done) for done in (0.05, 0.1, 0.2)] == pytest.approx([0.25, 0.5, 1.0])


def test_rates_are_set_on_every_group_from_its_own_peak() -> None:
    """The body's and the head's keep their ratio."""
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in (2.0, 0.2)]
    optimizer = torch.optim.SGD(groups)
    (schedule,) = build_schedules([optimizer], 9, "one-cycle", warm_up=0.0)
    for _ in range(4):
        optimizer.step()
        schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1.0, 0.1])


def test_a_step_of_several_batches_has_the_rate_of_its_last_batch() -> None:
    """With two batches a step, the steps of a run of eight batches end after 2, 4, 6 and 8 of them."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    (schedule,) = build_schedules([optimizer], 8, "one-cycle", warm_up=0.0, accumulate=2)
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([7 / 9, 5 / 9, 3 / 9, 1 / 9])
    assert optimizer.param_groups[0]["lr"] == 0.0
