"""`snellen serve`: the HTTP service."""

import signal
import sys

import typer


def serve(context: typer.Context) -> None:
    """Answer over HTTP with the bundles of a repository folder; `snellen serve --help` lists every setting."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the server handles it; process 1 would ignore it
    from service.__main__ import main

    raise typer.Exit(main(context.args))
