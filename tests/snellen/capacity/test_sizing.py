"""The machines that a rate needs."""

import pytest

from snellen.capacity.costs import Costs
from snellen.capacity.simulation import simulate
from snellen.capacity.sizing import RESERVE, UnreachableError, largest_rate, size

COSTS = Costs(decode_s=0.001, batch_s={1: 0.004, 4: 0.01}, batch_limit=4, http_s=0.001)


@pytest.mark.parametrize("p99_s", [0.02, 0.05])
def test_the_largest_rate_is_within_the_latency_and_no_smaller_than_it_could_be(p99_s: float) -> None:
    best = largest_rate(COSTS, p99_s)
    assert best.p99_s <= p99_s < simulate(COSTS, best.rate * 1.02).p99_s


def test_a_reserve_is_kept_however_long_clients_would_wait() -> None:
    assert largest_rate(COSTS, 3600).rate == pytest.approx(RESERVE * COSTS.images_per_s, rel=0.001)


def test_a_latency_below_one_image_is_refused() -> None:
    """With the time that an image takes."""
    with pytest.raises(UnreachableError, match=r"take up to [678]\.\d ms even at 1 %"):
        largest_rate(COSTS, 0.005)


def test_machines_are_enough_and_not_one_more() -> None:
    """Of two frontends each; engine processes have decoders before them."""
    best = largest_rate(COSTS, 0.05)
    found = size(COSTS, 1_000, best, processes_per_machine=2)
    assert (found.processes - 1) * best.rate < 1_000 <= found.processes * best.rate
    assert found.machines == -(-found.processes // 2)
    assert found.frontends == found.processes
    assert found.outcome.p99_s <= 0.05
    apart = Costs(0.001, {1: 0.004}, 1, decoders=3)
    behind = size(apart, 1_000, largest_rate(apart, 0.05), 1)
    assert behind.frontends == 3 * behind.processes
