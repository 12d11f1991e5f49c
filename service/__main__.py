"""Reads Settings from flags and environment, builds the app, runs uvicorn: `python -m service`."""

import logging
import sys
from collections.abc import Sequence

from pydantic_settings import CliApp

from service.app import create_app
from service.lifecycle import Lifecycle
from service.registry import RepositoryError
from service.server import serve
from service.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; the exit status."""
    settings = CliApp.run(Settings, cli_args=list(sys.argv[1:] if arguments is None else arguments))
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    lifecycle = Lifecycle()
    try:
        app = create_app(settings, lifecycle)
    except RepositoryError as error:
        print(f"snellen: {error}", file=sys.stderr)
        return 2
    return 0 if serve(app, settings, lifecycle) else 1


if __name__ == "__main__":
    sys.exit(main())
