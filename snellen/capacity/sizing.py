"""The largest load within a latency, and the processes and machines that a rate needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from snellen.capacity.costs import Costs
from snellen.capacity.simulation import Outcome, simulate

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
"""Shares of the most images per second for which latency is shown."""
RESERVE = 0.95
"""Share of the most images per second that is planned for at most: without a reserve a queue grows without end."""
_STEPS = 14
"""Halvings of the interval in which the largest rate is looked for: it is found to within 0.01 % of the most."""


class UnreachableError(Exception):
    """Not even a service that is nearly idle answers within the latency."""


@dataclass(frozen=True)
class Sizing:
    """What a rate needs.

    outcome: of one process that runs networks, at the load that it gets. processes: of that kind, in all machines.
    frontends: processes that speak HTTP, in all machines.
    """

    outcome: Outcome
    processes: int
    frontends: int
    machines: int


def curve(costs: Costs) -> Iterator[Outcome]:
    """Yield the outcome for each share of the most images per second of one process."""
    for share in SHARES:
        yield simulate(costs, share * costs.images_per_s)


def largest_rate(costs: Costs, p99_s: float) -> Outcome:
    """Return the largest load of one process of which 99 % is answered within `p99_s`. Raises UnreachableError."""
    most = costs.images_per_s
    low, high = most / 100, RESERVE * most
    best = simulate(costs, low)
    if best.p99_s > p99_s:
        raise UnreachableError(
            f"99 % of the images take up to {best.p99_s * 1000:.1f} ms even at 1 % of the load, so no number of"
            f" machines answers them within {p99_s * 1000:g} ms; allow more with --p99-ms, or take a faster variant"
        )
    for _ in range(_STEPS):
        middle = (low + high) / 2
        outcome = simulate(costs, middle)
        if outcome.p99_s <= p99_s:
            low, best = middle, outcome
        else:
            high = middle
    return best


def size(costs: Costs, rate: float, best: Outcome, processes_per_machine: int) -> Sizing:
    """Return the processes and machines that answer `rate` images per second.

    best: of `largest_rate`, the most that one process may get. Images are spread evenly over the processes.
    """
    processes = ceil(rate / best.rate)
    frontends = processes * max(1, costs.decoders)
    return Sizing(simulate(costs, rate / processes), processes, frontends, ceil(processes / processes_per_machine))
