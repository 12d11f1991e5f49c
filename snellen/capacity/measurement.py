"""Measures the costs of an image on this machine, with as many processes at work as the service would start."""

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from threading import Barrier, BrokenBarrierError
from typing import Any

from models.contract import FORMATS, Bundle, read_bundle
from service.build import tuning_options
from service.decoding.decode import DecodeLimits, decode
from service.engine.tuning.autotune import autotune
from service.engine.tuning.timing import batch_seconds, zero_batch
from service.server.workers.plan import plan_processes
from service.settings import Settings
from snellen.capacity.costs import Costs

_barrier: list[Any] = []
"""In a measuring process: where all of them wait for each other, so that they measure at the same time."""
_WAIT_S = 120.0


@dataclass(frozen=True)
class MeasuredCosts:
    """The costs, how the network is run, and the number of processes that run it on this machine."""

    costs: Costs
    configuration: str
    processes: int


def measure(bundle: Path, settings: Settings, images: Sequence[bytes], seconds: float) -> MeasuredCosts:
    """Measure decoding and each batch size for about `seconds` each.

    images: encoded image files, decoded in turns. Raises BundleError, EngineRejected, ServiceError.
    """
    share, cores, count, _ = plan_processes(settings).of_networks(settings)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(count)
    with ProcessPoolExecutor(count, context, _keep, (barrier,)) as pool:
        futures = [pool.submit(_measured_here, bundle, share, cores, images, seconds) for _ in range(count)]
        found = _results(futures)
    all_costs = [each.costs for each in found]
    batch_s = {size: mean(each.batch_s[size] for each in all_costs) for size in all_costs[0].batch_s}
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
        barrier.wait(_WAIT_S)
        decode_s = _decode_s(bundle, images, settings, profile.chosen.concurrency, seconds)
        barrier.wait(_WAIT_S)
        shape = bundle.manifest.input.shape
        sizes = [point.batch_size for point in profile.points if point.batch_size <= profile.batch_size]
        batch_s = {size: batch_seconds(engine, zero_batch(size, shape), slots, seconds) for size in sizes}
        engine.close()
    except BaseException:
        barrier.abort()
        raise
    chosen = profile.chosen
    configuration = f"{chosen.precision} on {chosen.provider}, {slots} at a time of {chosen.threads_per_batch} threads"
    return MeasuredCosts(Costs(decode_s, batch_s, profile.batch_size, slots), configuration, 1)


def _decode_s(bundle: Bundle, images: Sequence[bytes], settings: Settings, threads: int, seconds: float) -> float:
    """Return the seconds of a core to decode one of the images, with so many threads at work."""
    manifest, limits = bundle.manifest, DecodeLimits(FORMATS, settings.max_pixels)

    def decode_for(_: int) -> float:
        done, began = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds or done < len(images):
            decode(images[done % len(images)], manifest.input, manifest.preprocessing, limits)
            done += 1
        return elapsed / done

    with ThreadPoolExecutor(threads) as pool:
        return mean(pool.map(decode_for, range(threads)))
