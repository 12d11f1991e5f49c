"""The latency of each image of a random stream, by the service's rule: a free slot takes all images that wait."""

from heapq import heapify, heapreplace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snellen.capacity.costs import Costs

IMAGES = 20_000
"""Images of a simulated stream; 200 of them are above the p99."""
_SEED = 0
_WARM_UP = 0.1
"""First share of a stream that does not count, because it found an empty queue."""


class Outcome(NamedTuple):
    """Latencies in seconds of a stream of `rate` images per second, and the mean number of images in a batch.

    wait_s: mean time from the arrival of an image until its batch begins, without decoding it.
    """

    rate: float
    p50_s: float
    p99_s: float
    wait_s: float
    batch_size: float


def simulate(costs: Costs, rate: float, images: int = IMAGES, *, even: bool = False) -> Outcome:
    """Simulate images that arrive at random (a Poisson process), one in each request.

    rate: images per second. even: at equal intervals instead, as a load generator sends them. The same random numbers
    are drawn for every rate, so that results for two rates differ in the rate alone.
    """
    gaps = np.ones(images) if even else np.random.default_rng(_SEED).exponential(size=images)
    return simulate_arrivals(costs, rate, np.cumsum(gaps) / rate)


def simulate_arrivals(costs: Costs, rate: float, arrivals: NDArray[np.float64]) -> Outcome:
    """Simulate images that arrive at given times, in seconds, ascending. rate: as it is stated in the outcome."""
    queued = _one_by_one(arrivals, costs.preparation_s, costs.decoders) if costs.decoders else arrivals
    begins, ends, batches = _in_batches(np.sort(queued), costs)
    latencies, waits = ends - arrivals, begins - np.sort(queued)
    first = int(_WARM_UP * len(arrivals))
    p50, p99 = np.percentile(latencies[first:], (50, 99))
    return Outcome(rate, float(p50), float(p99), float(waits[first:].mean()), len(arrivals) / batches)


def _one_by_one(arrivals: NDArray[np.float64], each_s: float, servers: int) -> NDArray[np.float64]:
    """Return when each image is done that the first free of `servers` takes for `each_s` seconds."""
    free = [0.0] * servers
    done = np.empty_like(arrivals)
    for number, arrival in enumerate(arrivals.tolist()):
        done[number] = end = max(free[0], arrival) + each_s
        heapreplace(free, end)
    return done


def _in_batches(queued: NDArray[np.float64], costs: Costs) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return the begin and the end of each image's batch, in seconds, and the number of batches.

    queued: when each image is ready for a batch, ascending.
    """
    slot_s = [0.0, *(costs.slot_s(size) for size in range(1, costs.batch_limit + 1))]
    free = [0.0] * costs.slots
    heapify(free)
    times = queued.tolist()
    begins, ends = np.empty_like(queued), np.empty_like(queued)
    first = batches = 0
    waiting_limit = costs.batch_limit * (1 if costs.decoders else costs.slots)
    while first < len(times):
        begin = max(free[0], times[first])
        last = first + 1
        while last < len(times) and last - first < waiting_limit and times[last] <= begin:
            last += 1
        if not costs.decoders:  # a slot that decodes leaves their share to the others
            last = first + min(costs.batch_limit, -(-(last - first) // costs.slots))
        end = begin + slot_s[last - first]
        begins[first:last], ends[first:last] = begin, end
        heapreplace(free, end)
        first, batches = last, batches + 1
    return begins, ends, batches
