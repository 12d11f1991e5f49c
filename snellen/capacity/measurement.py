"""Measures the costs of an image on this machine, with as many processes at work as the service would start."""

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import mean
from threading import Barrier, BrokenBarrierError
from typing import Any, NamedTuple

import numpy as np

from models.contract import FORMATS, Bundle, Pixels, read_bundle
from service.batching.batcher import MOST_DECODED
from service.build import tuning_options
from service.decoding.decode import DecodeLimits, decode
from service.decoding.decoder import TINY_BYTES
from service.engine.batch_sizes import prepared_sizes
from service.engine.tuning.autotune import autotune
from service.server.workers.plan import plan_processes
from service.settings import Settings
from service.types import Batch, Engine
from snellen.capacity.costs import Costs

_barrier: list[Any] = []
"""In a measuring process: where all of them wait for each other, so that they measure at the same time."""
_WAIT_S = 120.0
_IDLE = 0.5
"""Time that a slot waits after a batch, as a share of the time of the batch: that of a core that is busy for two
thirds of the time."""


@dataclass(frozen=True)
class MeasuredCosts:
    """The costs, how the network is run, and the number of processes that run it on this machine."""

    costs: Costs
    configuration: str
    processes: int


def measure(bundle: Path, settings: Settings, images: Sequence[bytes], seconds: float) -> MeasuredCosts:
    """Measure each batch size, with the decoding of its images, for about `seconds` each.

    images: encoded image files, decoded in turns. Raises BundleError, EngineRejected, ServiceError.
    """
    share, cores, count, _ = plan_processes(settings).of_networks(settings)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(count)
    with ProcessPoolExecutor(count, context, _keep, (barrier,)) as pool:
        futures = [pool.submit(_measured_here, bundle, share, cores, images, seconds) for _ in range(count)]
        found = _results(futures)
    all_costs = [each.costs for each in found]
    sizes = sorted(set[int].intersection(*(set(each.batch_s) for each in all_costs)))
    batch_s = {size: mean(each.batch_s[size] for each in all_costs) for size in sizes}
    first = all_costs[0]
    costs = Costs(mean(each.decode_s for each in all_costs), batch_s, first.batch_limit, first.slots)
    return MeasuredCosts(costs, found[0].configuration, count)


def _results(futures: Sequence["Future[MeasuredCosts]"]) -> list[MeasuredCosts]:
    """Return all results. Where processes failed, raise the cause, not that the others waited for them in vain."""
    errors = [error for each in futures if (error := each.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, BrokenBarrierError)):
        raise error
    return [each.result() for each in futures]


def _keep(barrier: Any) -> None:
    _barrier.append(barrier)


def _measured_here(
    folder: Path, settings: Settings, cores: int, images: Sequence[bytes], seconds: float
) -> MeasuredCosts:
    bundle = read_bundle(folder)
    barrier: Barrier = _barrier[0]
    try:
        tuned = autotune(bundle, tuning_options(settings, cores))
        profile, engine = tuned.profile, tuned.engine
        slots = profile.chosen.concurrency
        tiny = all(len(image) <= TINY_BYTES for image in images)
        limit = profile.batch_size if tiny else min(profile.batch_size, MOST_DECODED)
        sizes = [size for size in range(1, limit + 1) if size <= MOST_DECODED or size in prepared_sizes(limit)]
        source = _Images(bundle, images, settings)
        barrier.wait(_WAIT_S)
        times = {size: _in_turns(engine, source, size, slots, seconds) for size in sizes}
        decode_s = mean(each.decode_s for each in times.values())
        batch_s = {size: each.batch_s for size, each in times.items()}
        engine.close()
    except BaseException:
        barrier.abort()
        raise
    chosen = profile.chosen
    configuration = f"{chosen.precision} on {chosen.provider}, {slots} at a time of {chosen.threads_per_batch} threads"
    return MeasuredCosts(Costs(decode_s, batch_s, limit, slots), configuration, 1)


class _Images:
    """Encoded images, decoded in turns."""

    def __init__(self, bundle: Bundle, images: Sequence[bytes], settings: Settings) -> None:
        self._manifest, self._limits = bundle.manifest, DecodeLimits(FORMATS, settings.max_pixels)
        self._next = cycle(images)

    def decoded(self) -> Pixels:
        """Return the pixels of the next image."""
        return decode(next(self._next), self._manifest.input, self._manifest.preprocessing, self._limits).pixels


class _Times(NamedTuple):
    """Seconds to decode an image, and seconds of a batch."""

    decode_s: float
    batch_s: float


def _in_turns(engine: Engine, source: _Images, size: int, slots: int, seconds: float) -> _Times:
    """Decode `size` images, run them as a batch, wait, and so on in each slot, as the service does.

    Doing only one of these for a while would be faster: the caches of the core would hold what it needs, and a core
    that was idle is slower for some milliseconds.
    """

    def work(_: int) -> _Times:
        decoding = running = 0.0
        batches, end = 0, time.perf_counter() + seconds
        while not batches or time.perf_counter() < end:
            began = time.perf_counter()
            batch = Batch(np.stack([source.decoded() for _ in range(size)]))
            decoded = time.perf_counter()
            engine.run(batch)
            decoding, running = decoding + decoded - began, running + (ended := time.perf_counter()) - decoded
            batches += 1
            time.sleep((ended - began) * _IDLE)
        return _Times(decoding / (batches * size), running / batches)

    engine.run(Batch(np.stack([source.decoded() for _ in range(size)])))  # the first run of a size takes longer
    with ThreadPoolExecutor(slots) as pool:
        found = list(pool.map(work, range(slots)))
    return _Times(mean(each.decode_s for each in found), mean(each.batch_s for each in found))
