"""The command `snellen`. Each subcommand is in its own file and imports what it needs when it runs."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from snellen import shadowed
from snellen.commands.bench import bench
from snellen.commands.calibrate import calibrate
from snellen.commands.classify import classify
from snellen.commands.evaluate import evaluate
from snellen.commands.import_network import import_network
from snellen.commands.models import models
from snellen.commands.optimize import optimize
from snellen.commands.report import report
from snellen.commands.serve import serve
from snellen.commands.summary import summary
from snellen.commands.train import train
from snellen.commands.tune import tune
from snellen.commands.verify import verify
from snellen.extras import extra_of, missing_message

app = typer.Typer(
    name="snellen",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"snellen {version('snellen')}")
        raise typer.Exit


_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}

app.command(context_settings=_PASSED_ON, add_help_option=False)(serve)
app.command()(classify)
app.command()(train)
app.command("import")(import_network)
app.command()(report)
app.command()(evaluate)
app.command()(calibrate)
app.command()(optimize)
app.command()(summary)
app.command()(verify)
app.command()(bench)
app.command()(tune)
app.add_typer(models, name="models")


@app.callback()
def _program(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Train or import a CNN, serve it over HTTP, and get class probabilities with a pedigree."""


def main() -> None:
    """Run the command line program."""
    if message := shadowed():
        sys.stderr.write(f"snellen: {message}\n")
        sys.exit(2)
    try:
        app()
    except ModuleNotFoundError as error:
        module = error.name or ""
        if (extra := extra_of(module)) is None:
            raise
        sys.stderr.write(f"snellen: {missing_message([module], extra)}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
