"""Opens the engine that fits this machine best: verified, warmed up for every batch size, with its measurements."""

import logging
from collections.abc import Iterator
from itertools import islice

from models.contract import Bundle
from service.engine.engines import LocalEngine
from service.engine.profile import Profile
from service.engine.session import EngineRejected
from service.engine.tuning.candidates import TuningOptions, candidates_of, profile_key
from service.engine.tuning.profile_cache import ProfileCache
from service.engine.tuning.search import ProgressCallback, Tuned, search
from service.engine.tuning.timing import zero_batch
from service.engine.verification import open_verified
from service.errors import EngineFailure
from service.types import Batch

logger = logging.getLogger(__name__)


def autotune(
    bundle: Bundle,
    wanted: TuningOptions,
    given: Profile | None = None,
    observe: ProgressCallback = lambda _: None,
    *,
    warm_up: bool = True,
) -> Tuned:
    """Open the engine by a given or cached profile, or by a new search. Raises EngineRejected.

    Processes that start together search at the same time. All use the profile of the one that ends first: where other
    work slows one of them down, it would choose smaller batches than the others, or another library.

    given: a profile that another process measured with the same options; while its configuration is a candidate,
    nothing is timed and the cache is neither read nor written. observe: called after each timing. warm_up: whether each
    batch size is run once, and not only the smallest; another process has done so where it measured `given`, but an
    engine that is prepared for certain sizes needs it in each process.
    """
    cache, key = ProfileCache(wanted.cache), profile_key(bundle, wanted)
    if known := _reopened(bundle, wanted, given) or _reopened(bundle, wanted, cache.get(key)):
        return _warmed_up(bundle, known, every=warm_up)
    found = _warmed_up(bundle, search(bundle, wanted, observe=observe))
    first = cache.add(key, found.profile)
    if first != found.profile and (other := _opened_by_other(bundle, wanted, first)):
        found.engine.close()
        return other
    if first != found.profile:  # an old profile, of a configuration that is no candidate any more
        cache.put(key, found.profile)
    return found


def _opened_by_other(bundle: Bundle, wanted: TuningOptions, profile: Profile) -> Tuned | None:
    """Return the engine of a profile that another process has stored; None where it does not open here."""
    try:
        other = _reopened(bundle, wanted, profile)
        return other and _warmed_up(bundle, other)
    except (EngineRejected, EngineFailure):
        logger.warning("the profile that another process has stored does not open here; this process keeps its own")
        return None


def _warmed_up(bundle: Bundle, found: Tuned, *, every: bool = True) -> Tuned:
    """Run a batch of each size that can occur, or of the smallest only; return `found`. Closes its engine on errors.

    An engine that is prepared for certain sizes always runs them all.
    """
    try:
        batches = _every_batch(bundle, found.engine, found.profile.batch_size)
        found.engine.warm_up(batches if every or found.engine.sizes else islice(batches, 1))
    except BaseException:
        found.engine.close()
        raise
    return found


def retune(bundle: Bundle, wanted: TuningOptions, window_s: float, observe: ProgressCallback) -> Profile:
    """Measure again and store the profile in the cache. Raises EngineRejected."""
    found = search(bundle, wanted, window_s, observe)
    found.engine.close()
    ProfileCache(wanted.cache).put(profile_key(bundle, wanted), found.profile)
    return found.profile


def _reopened(bundle: Bundle, wanted: TuningOptions, profile: Profile | None) -> Tuned | None:
    """Open the engine of a profile. Return None for none, or one whose configuration is not a candidate any more."""
    if profile is not None:
        for candidate in candidates_of(bundle, wanted):
            if candidate.was_chosen(profile.chosen):
                return Tuned(open_verified(bundle, candidate.options), profile, cached=True)
    return None


def _every_batch(bundle: Bundle, engine: LocalEngine, largest: int) -> Iterator[Batch]:
    """Yield a batch of each size that can occur, also with class map if there is one.

    Where the engine is prepared for certain sizes, other batches are made of those.
    """
    image = bundle.manifest.input.shape
    sizes = [size for size in engine.sizes if size <= largest] or range(1, largest + 1)
    for size in sizes:
        yield zero_batch(size, image)
        if bundle.manifest.class_map:
            yield zero_batch(size, image, class_map=True)
