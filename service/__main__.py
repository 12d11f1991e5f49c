"""Reads Settings from flags and environment, builds the app, runs uvicorn: `python -m service`."""

import logging
import os
import sys
from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_settings import CliApp

from service.app import create_app
from service.lifecycle import Lifecycle
from service.listening import CannotListen
from service.processes.plan import planned
from service.processes.supervisor import supervise
from service.registry import RepositoryError
from service.server import serve
from service.settings import Settings, unknown_variables

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; the exit status."""
    try:
        settings = CliApp.run(Settings, cli_args=list(sys.argv[1:] if arguments is None else arguments))
    except ValidationError as error:
        for wrong in error.errors():
            name = str(wrong["loc"][0])
            _complain(f"{name} (SNELLEN_{name.upper()} or --{name.replace('_', '-')}): {wrong['msg']}")
        return 2
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in unknown_variables(os.environ):
        logger.warning("%s is no setting; docs/settings.md lists them", name)
    try:
        plan = planned(settings)
        if not plan.one_process:
            return supervise(settings, plan)
        lifecycle = Lifecycle()
        return serve(create_app(settings, lifecycle), settings, lifecycle)
    except (RepositoryError, CannotListen) as error:
        _complain(str(error))
        return 2


def _complain(message: str) -> None:
    sys.stderr.write(f"snellen: {message}\n")


if __name__ == "__main__":
    sys.exit(main())
