"""A bundle -> the engine that suits this machine, verified, warm in every size, with what was measured of it."""

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
    """An engine in its shape. `cached`: its profile was measured before."""

    engine: OnnxEngine
    profile: Profile
    cached: bool


def autotune(bundle: Bundle, wanted: TuningOptions) -> Tuned:
    """By the profile of an earlier search, else of one that is made now. Raises EngineRejected."""
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
    """Measure without looking at the cache. Raises EngineRejected when nothing could be opened."""
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
    """Measure and keep it in the cache for those that serve. Raises EngineRejected."""
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
    """Raises KeyError when the profile names what is not there any more, EngineRejected."""
    lane = candidates.chosen(profile.chosen)
    try:
        lane.contender.ready()
        return Tuned(_shaped(candidates.bundle, lane, profile), profile, cached=True)
    except BaseException:
        lane.contender.close()
        raise


def _shaped(bundle: Bundle, lane: CandidateConfig, profile: Profile) -> OnnxEngine:
    """With as many callers as were chosen, and no batch size that is new to any of them."""
    engine = lane.contender.ready()
    engine.run_callers(lane.shape.concurrency)
    engine.warm_up(_every_batch(bundle, engine, profile.batch_size))
    return engine


def _every_batch(bundle: Bundle, engine: OnnxEngine, largest: int) -> Iterator[Batch]:
    """Each size that can occur, with the class map too where there is one: on a GPU the prepared ones."""
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
