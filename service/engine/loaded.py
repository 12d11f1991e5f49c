"""The result of loading a bundle: a verified engine and its measurements."""

from collections.abc import Callable
from typing import NamedTuple

from service.engine.profile import Profile
from service.types import Engine


class LoadedEngine(NamedTuple):
    """A verified engine, with its measured profile.

    cached: whether the profile was measured at an earlier start. decodes: whether the engine has at least as many
    threads as would decode images otherwise, so that it decodes them itself. after_all_loaded: work to do when all
    models serve.
    """

    engine: Engine
    profile: Profile
    cached: bool
    decodes: bool = False
    after_all_loaded: Callable[[], None] = lambda: None
