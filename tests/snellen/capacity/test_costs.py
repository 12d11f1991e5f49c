"""What an image costs, between the sizes that were measured and beyond them."""

import pytest

from snellen.capacity.costs import Costs

COSTS = Costs(decode_s=0.002, batch_s={1: 0.004, 4: 0.01}, batch_limit=8, http_s=0.001)


@pytest.mark.parametrize(("images", "seconds"), [(1, 0.004), (2, 0.01), (4, 0.01), (8, 0.02)])
def test_a_batch_costs_what_the_next_larger_one_does(images: int, seconds: float) -> None:
    assert COSTS.engine_s(images) == pytest.approx(seconds)


def test_a_slot_is_taken_by_decoding_too() -> None:
    """Unless other processes decode."""
    assert COSTS.slot_s(4) == pytest.approx(0.01 + 4 * 0.003)
    apart = Costs(0.002, {1: 0.004}, 1, decoders=3, http_s=0.001)
    assert apart.slot_s(1) == pytest.approx(0.004)


def test_the_slowest_part_limits_the_rate() -> None:
    assert COSTS.images_per_s == pytest.approx(4 / 0.022)
    assert Costs(0.002, {1: 0.0001}, 1, decoders=3, http_s=0.001).images_per_s == pytest.approx(1000)
