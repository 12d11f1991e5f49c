"""Opens the engine that fits this machine best: verified, warmed up for every batch size, with its measurements."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from models.contract import Bundle
from service.engine.batch_sizes import prepared_sizes
from service.engine.onnx_engine import OnnxEngine
from service.engine.profile import Profile
from service.engine.session import EngineRejected
from service.engine.tuning.candidate import CandidateConfig
from service.engine.tuning.candidates import Candidates, TuningOptions
from service.engine.tuning.profile_cache import ProfileCache
from service.engine.tuning.search import ProgressCallback, Rules, Search
from service.engine.tuning.selection import explain_selection, select
from service.engine.tuning.timing import BatchTimer, zero_batch
from service.types import Batch

logger = logging.getLogger(__name__)


class Tuned(NamedTuple):
    """An engine in its chosen configuration. `cached`: whether its profile was measured at an earlier start."""

    engine: OnnxEngine
    profile: Profile
    cached: bool


def autotune(bundle: Bundle, wanted: TuningOptions) -> Tuned:
    """Open the engine by a cached profile, or by a new search. Raises EngineRejected."""
    candidates = Candidates(bundle, wanted)
    cache, key = ProfileCache(wanted.cache), candidates.key()
    if (profile := cache.get(key)) is not None:
        with suppress(KeyError):
            return _reopened(candidates, profile)
    found = search(bundle, wanted)
    cache.put(key, found.profile)
    return found


def search(
    bundle: Bundle, wanted: TuningOptions, window_s: float = 0.02, observe: ProgressCallback = lambda _lane, _size: None
) -> Tuned:
    """Measure without the cache. Raises EngineRejected when no session could be opened.

    window_s: seconds of one timing. observe: called after each timing.
    """
    candidates = Candidates(bundle, wanted)
    lanes, image = candidates.lanes(), bundle.manifest.input.shape
    budget_s = wanted.budget_s * len(candidates.variants)
    rules = Rules(image, prepared_sizes(wanted.max_batch_size), wanted.latency_s, budget_s, window_s)
    work = Search(lanes, rules, observe)
    try:
        work.run()
        lane, profile = _verdict(lanes, rules, work.refusals)
        _close_others(lanes, lane)
        return Tuned(_shaped(bundle, lane, profile), profile, cached=False)
    except BaseException:
        _close_others(lanes, None)
        raise


def renew(bundle: Bundle, wanted: TuningOptions, window_s: float, observe: ProgressCallback) -> Profile:
    """Measure again and store the profile in the cache. Raises EngineRejected."""
    found = search(bundle, wanted, window_s, observe)
    found.engine.close()
    ProfileCache(wanted.cache).put(Candidates(bundle, wanted).key(), found.profile)
    return found.profile


def _verdict(
    lanes: Sequence[CandidateConfig], rules: Rules, refusals: Sequence[str]
) -> tuple[CandidateConfig, Profile]:
    tried = [each for lane in lanes for each in lane.tried()]
    if not tried:
        raise EngineRejected(refusals[0] if refusals else "there is no way to run it as the settings want")
    chosen = select(tried, rules.latency_s)
    lane = next(lane for lane in lanes if any(each == chosen for each in lane.tried()))
    alone_s = BatchTimer(rules.window_s).seconds(lane.contender.ready(), zero_batch(1, rules.image), concurrency=1)
    why = explain_selection(chosen, tried, rules.latency_s)
    return lane, Profile(chosen=chosen, points=lane.points(), alone_s=alone_s, reason=why, tried=tuple(tried))


def _reopened(candidates: Candidates, profile: Profile) -> Tuned:
    """Open the engine of a profile.

    Raises EngineRejected, and KeyError when the profile names a configuration that does not exist any more.
    """
    lane = candidates.chosen(profile.chosen)
    try:
        lane.contender.ready()
        return Tuned(_shaped(candidates.bundle, lane, profile), profile, cached=True)
    except BaseException:
        lane.contender.close()
        raise


def _shaped(bundle: Bundle, lane: CandidateConfig, profile: Profile) -> OnnxEngine:
    """Return the engine with the chosen number of callers, warmed up for every batch size."""
    engine = lane.contender.ready()
    engine.run_callers(lane.shape.concurrency)
    engine.warm_up(_every_batch(bundle, engine, profile.batch_size))
    return engine


def _every_batch(bundle: Bundle, engine: OnnxEngine, largest: int) -> Iterator[Batch]:
    """Yield a batch of each size that can occur (on a GPU, the prepared ones), also with class map if there is one."""
    image = bundle.manifest.input.shape
    sizes = [size for size in engine.sizes if size <= largest] or range(1, largest + 1)
    for size in sizes:
        yield zero_batch(size, image)
        if bundle.manifest.class_map:
            yield zero_batch(size, image, class_map=True)


def _close_others(lanes: Sequence[CandidateConfig], kept: CandidateConfig | None) -> None:
    for contender in {id(lane.contender): lane.contender for lane in lanes}.values():
        if kept is None or contender is not kept.contender:
            contender.close()
