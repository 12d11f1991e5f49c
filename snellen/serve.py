"""`snellen serve`: the HTTP service."""

import typer


def serve(context: typer.Context) -> None:
    """Answer over HTTP with the bundles of a repository folder; `snellen serve --help` lists every setting."""
    from service.__main__ import main

    raise typer.Exit(main(context.args))
