"""The log lines about what is served: the repository folder at the start, and the models once they are ready."""

import logging
from collections.abc import Iterable

from models.contract import describe_repository, passed_over_folder
from service.repository.state import RepositoryState
from service.settings import Settings

logger = logging.getLogger(__name__)

_MOST_MODELS = 10
"""Models that are named in a line; the others are counted."""


def log_repository(settings: Settings) -> None:
    """Log which bundles are served, from where, and which folder was passed over.

    settings: as they were read, so that they tell whether the folder was named.
    """
    named = "models" in settings.model_fields_set
    if not named and (reason := passed_over_folder(settings.models)):
        logger.warning("%s", reason)
    logger.info("%s", describe_repository(settings.models, named=named))


def log_ready(state: RepositoryState, addresses: Iterable[str]) -> None:
    """Log which version of each model answers where none is named, the default model first.

    addresses: URLs on which the service listens.
    """
    models = sorted(state.defaults, key=lambda name: (name != state.default_model, name))
    names = [f"{name}/{state.defaults[name]}{' (default)' * (name == state.default_model)}" for name in models]
    more = [f"and {len(names) - _MOST_MODELS} more"] if len(names) > _MOST_MODELS else []
    logger.info("ready: %s on %s", ", ".join(names[:_MOST_MODELS] + more), ", ".join(addresses))
