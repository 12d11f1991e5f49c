"""What a bundle becomes before it serves: an engine that has proven itself, and what was measured of it."""

from collections.abc import Callable
from typing import NamedTuple

from service.engine.profile import Profile
from service.types import Engine


class LoadedEngine(NamedTuple):
    """An engine, its profile, whether that was measured earlier, and work that can wait until all models serve.

    decodes: whether as many threads run batches as would decode beside them, so that these are not needed.
    """

    engine: Engine
    profile: Profile
    cached: bool
    decodes: bool = False
    after_all_loaded: Callable[[], None] = lambda: None
