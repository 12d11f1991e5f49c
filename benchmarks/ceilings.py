"""What this machine can do without HTTP: decoding, the session, both in as many processes as there are cores."""

import multiprocessing as mp
import statistics
import time
from collections.abc import Callable
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

import numpy as np
import onnxruntime as ort

from benchmarks.peers.common import INPUT, PROBABILITIES, Target, pixels, session
from benchmarks.works import Work
from models.contract import Pixels
from service.decoding import DecodeLimits, decode
from service.settings import FORMATS, usable_cores

BATCH_SIZES = (1, 2, 4, 8, 16)
_LIMITS = DecodeLimits(FORMATS, max_pixels=64_000_000)
_START_LIMIT_S = 60.0

Values = dict[str, float]


def target(work: Work) -> Target:
    """The network's input in the words of the peers."""
    manifest = work.bundle.manifest
    size, how = manifest.input, manifest.preprocessing
    return Target(
        size.height, size.width, size.colour.value, how.resize == "squash", how.crop_fraction, how.interpolation
    )


def decoder(work: Work, *, in_full: bool) -> Callable[[], Pixels]:
    """Encoded bytes to uint8 [H, W, C]: the service's own way, or `in_full` as the peers do it."""
    body, manifest, aim = work.image.read_bytes(), work.bundle.manifest, target(work)
    if in_full:
        return lambda: pixels(body, aim)
    return lambda: decode(body, manifest.input, manifest.preprocessing, _LIMITS).pixels


def runner(work: Work, batch_size: int) -> Callable[[Pixels], None]:
    """A one-thread session that runs batches as the service's engine does: class maps are not computed."""
    options = ort.RunOptions()
    options.only_execute_path_to_fetches = True
    own = session(work.bundle.model_path(work.precision), 1)
    run: Callable[[Pixels], None] = lambda images: own.run([PROBABILITIES], {INPUT: images}, options)  # noqa: E731
    run(np.zeros((batch_size, *work.bundle.manifest.input.shape), np.uint8))
    return run


def timed(call: Callable[[], object], seconds: float, images: int = 1) -> Values:
    """Call for `seconds`, at least five times. Median time of a call in ms, and the images/s that it means."""
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    middle = statistics.median(times)
    return {"ms": middle * 1000, "images_per_s": images / middle, "n": len(times)}


def decoding(work: Work, seconds: float, *, in_full: bool) -> Values:
    """One image in one thread."""
    return timed(decoder(work, in_full=in_full), seconds)


def sessions(work: Work, seconds: float) -> dict[int, Values]:
    """One session of one thread, by batch size; `seconds` are for all sizes together."""
    found = {}
    for size in BATCH_SIZES:
        run = runner(work, size)
        images = np.stack([decoder(work, in_full=False)()] * size)
        found[size] = timed(lambda run=run, images=images: run(images), seconds / len(BATCH_SIZES), size)  # type: ignore[misc]
    return found


def best_batch_size(measured: dict[int, Values]) -> int:
    return max(measured, key=lambda size: measured[size]["images_per_s"])


def processes(work: Work, batch_size: int, seconds: float, *, in_full: bool) -> Values:
    """Decode and session in one process a core, all at once: the ceiling. Raises RuntimeError when one dies."""
    context, cores = mp.get_context("spawn"), usable_cores()
    barrier, rates = context.Barrier(cores), context.Queue()
    workers = [
        context.Process(target=_work, args=(work, batch_size, seconds, in_full, barrier, rates)) for _ in range(cores)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("a process of the ceiling failed; its traceback is above")
    return {"images_per_s": sum(rates.get(timeout=5) for _ in workers), "processes": cores, "batch_size": batch_size}


def _work(work: Work, batch_size: int, seconds: float, in_full: bool, barrier: Barrier, rates: "Queue[float]") -> None:
    decode_one, run, count = decoder(work, in_full=in_full), runner(work, batch_size), 0
    barrier.wait(_START_LIMIT_S)
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        run(np.stack([decode_one() for _ in range(batch_size)]))
        count += batch_size
    rates.put(count / (time.perf_counter() - started))
