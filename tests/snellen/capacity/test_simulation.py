"""Against what queueing theory says of the cases that it can solve."""

import numpy as np
import pytest

from snellen.capacity.costs import Costs
from snellen.capacity.simulation import simulate

IMAGES = 100_000


def costs(seconds: dict[int, float], **others: float) -> Costs:
    return Costs(0.0, seconds, max(seconds), http_s=0.0, **others)  # type: ignore[arg-type]


@pytest.mark.parametrize("load", [0.2, 0.5, 0.8])
def test_one_image_at_a_time_waits_as_pollaczek_and_khinchine_say(load: float) -> None:
    """A queue with random arrivals and a constant service time: the mean wait is load / (2 (1 - load)) services."""
    outcome = simulate(costs({1: 0.01}), load / 0.01, IMAGES)
    assert outcome.wait_s == pytest.approx(0.01 * load / (2 * (1 - load)), rel=0.05)
    assert outcome.batch_size == 1


def test_images_at_equal_intervals_do_not_wait() -> None:
    outcome = simulate(costs({1: 0.01}), 99, 1_000, even=True)
    assert outcome.wait_s == pytest.approx(0, abs=1e-9)
    assert outcome.p99_s == pytest.approx(0.01)


def test_batches_grow_with_the_load() -> None:
    """Up to their limit; with batches that cost what one image costs, twice the load of one is no load at all."""
    cheap = costs({1: 0.01, 8: 0.01})
    sizes = [simulate(cheap, rate, IMAGES).batch_size for rate in (10, 100, 200, 400, 700)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 1.2
    assert 6 < sizes[-1] <= 8
    assert simulate(cheap, 200, IMAGES).p99_s <= 0.02 + 1e-9  # the rest of the batch before it, and its own


def test_two_slots_carry_twice_the_load() -> None:
    """With less waiting than two queues of one slot each."""
    one, two = simulate(costs({1: 0.01}), 70, IMAGES), simulate(costs({1: 0.01}, slots=2), 140, IMAGES)
    assert two.wait_s < one.wait_s
    assert costs({1: 0.01}, slots=2).images_per_s == pytest.approx(200)


def test_decoders_of_their_own_work_while_the_engine_does() -> None:
    """Without them, a core does both, and preparing an image takes as long as running it."""
    together = Costs(0.01, {1: 0.01}, 1, http_s=0.0)
    apart = Costs(0.01, {1: 0.01}, 1, decoders=1, http_s=0.0)
    assert together.images_per_s == pytest.approx(50)
    assert apart.images_per_s == pytest.approx(100)
    assert simulate(apart, 1, 1_000).p50_s == pytest.approx(0.02)
    assert simulate(apart, 60, IMAGES).p99_s < simulate(together, 45, IMAGES).p99_s


def test_a_rate_is_the_only_difference_between_two_simulations() -> None:
    """So that latency never falls by chance while the load rises."""
    each = [simulate(costs({1: 0.004, 4: 0.009}), rate).p99_s for rate in np.linspace(20, 400, 30)]
    assert each == sorted(each)
