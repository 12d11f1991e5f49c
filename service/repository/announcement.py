"""The log lines about the repository folder, once the service has started."""

import logging

from models.contract import describe_repository, passed_over_folder
from service.settings import Settings

logger = logging.getLogger(__name__)


def log_repository(settings: Settings) -> None:
    """Log which bundles are served, from where, and which folder was passed over.

    settings: as they were read, so that they tell whether the folder was named.
    """
    named = "models" in settings.model_fields_set
    if not named and (reason := passed_over_folder(settings.models)):
        logger.warning("%s", reason)
    logger.info("%s", describe_repository(settings.models, named=named))
