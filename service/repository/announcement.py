"""The log lines about what is served: the repository folder at the start, and the models once they are ready."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from models.contract import BUILT_IN, passed_over_folder, readable_bundles
from service.repository.state import RepositoryState
from service.settings import Settings

logger = logging.getLogger(__name__)
_MOST_NAMES = 10
"""Limit of the bundles that are named; the others are counted."""


def log_repository(settings: Settings) -> None:
    """Log which bundles the folder holds, how to serve others, and which folder was passed over.

    settings: as they were read, so that they tell whether the folder was named.
    """
    repository, named = settings.models, "models" in settings.model_fields_set
    if not named and (reason := passed_over_folder(repository)):
        logger.warning("%s", reason)
    if not named and repository == BUILT_IN:
        hint = "for your own: snellen serve FILE.onnx --labels labels.txt, or --models FOLDER"
        logger.info("models: %s, built in (%s); %s", _names(repository), repository, hint)
    else:
        logger.info("models: %s from %s", _names(repository), repository.absolute())


def log_ready(state: RepositoryState, addresses: Iterable[str]) -> None:
    """Log which version of each model answers where none is named, the default model first.

    addresses: URLs on which the service listens.
    """
    models = sorted(state.defaults, key=lambda name: (name != state.default_model, name))
    names = [f"{name}/{state.defaults[name]}{' (default)' * (name == state.default_model)}" for name in models]
    logger.info("ready: %s on %s", _shortened(names), ", ".join(addresses))


def _names(repository: Path) -> str:
    names = [f"{bundle.manifest.name}/{bundle.manifest.version}" for bundle in readable_bundles(repository)]
    return _shortened(names) or "no bundle"


def _shortened(names: Sequence[str]) -> str:
    more = [f"and {len(names) - _MOST_NAMES} more"] if len(names) > _MOST_NAMES else []
    return ", ".join([*names[:_MOST_NAMES], *more])
