"""The moving average of the weights."""

import pytest
import torch

from tests.training.loop.conftest import CLASSES
from training.loop.ema import MovingAverage
from training.networks.network import Network
from training.networks.small_resnet import small_resnet


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return small_resnet(CLASSES)


def constant(network: Network, value: float, batches: int = 0) -> Network:
    """Set all weights and running statistics to `value`, and the counts of batches to `batches`."""
    for tensor in network.state_dict().values():
        tensor.fill_(value if tensor.is_floating_point() else batches)
    return network


def first_weight(average: MovingAverage) -> float:
    return next(average.module.parameters()).flatten()[0].item()


def test_an_average_follows_the_faster_the_younger_it_is(network: Network) -> None:
    """The decay of step n is at most n / (n + 10): from 0, the first two updates with 1 give 10/11 and 0.99."""
    average = MovingAverage(constant(network, 0.0), decay=0.998, every=1)
    constant(network, 1.0, batches=7)
    values = []
    for step in (1, 2):
        average.update(network, step)
        values.append({float(t.flatten()[0]) for t in average.module.state_dict().values() if t.is_floating_point()})
    assert [value for value, *others in values if not others] == pytest.approx([10 / 11, 1 - 2 / 12 / 11])
    assert {int(t) for t in average.module.state_dict().values() if not t.is_floating_point()} == {7}


def test_an_old_average_keeps_the_share_that_the_decay_says(network: Network) -> None:
    """From step 90 on, n / (n + 10) is above 0.9: an update with 0 takes a tenth away."""
    average = MovingAverage(constant(network, 1.0), decay=0.9, every=1)
    for step in range(1, 91):
        average.update(network, step)
    average.update(constant(network, 0.0), 91)
    assert first_weight(average) == pytest.approx(0.9)


def test_every_fourth_step_has_the_weight_of_four(network: Network) -> None:
    """The steps between are skipped."""
    average = MovingAverage(constant(network, 1.0), decay=0.5, every=4)
    constant(network, 0.0)
    for step in range(1, 12):
        average.update(network, step)
    first, second = (4 / 14) ** 4, (8 / 18) ** 4
    assert first_weight(average) == pytest.approx(first * second, rel=1e-4)


def test_without_a_decay_the_weights_are_copied_at_each_step(network: Network) -> None:
    """`every` counts for averages only."""
    average = MovingAverage(network, decay=0.0, every=4)
    average.update(constant(network, 3.0, batches=5), 1)
    for ours, theirs in zip(average.module.state_dict().values(), network.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_an_average_goes_on_where_its_state_was_saved(network: Network) -> None:
    """The state holds the number of updates, on which the decay of the next depends."""
    average, resumed = (MovingAverage(network, decay=0.998, every=1) for _ in range(2))
    average.update(constant(network, 1.0), 1)
    resumed.load_state_dict(average.state_dict())
    for each in (average, resumed):
        each.update(constant(network, 2.0), 2)
    for ours, theirs in zip(average.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
