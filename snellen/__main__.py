"""The command `snellen`. Each subcommand is in its own file and imports what it needs when it runs."""

import signal
import sys
from contextlib import suppress
from importlib.metadata import version
from typing import Annotated

with suppress(ValueError):  # not in the main thread
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the imports below ends the command without a traceback

import typer

from snellen import shadowed
from snellen.commands.bench import bench
from snellen.commands.calibrate import calibrate
from snellen.commands.capacity import capacity
from snellen.commands.classify import classify
from snellen.commands.evaluate import evaluate
from snellen.commands.import_network import import_network
from snellen.commands.keys import keys
from snellen.commands.models import models
from snellen.commands.optimize import optimize
from snellen.commands.report import report
from snellen.commands.serve import ServeCommand, serve
from snellen.commands.summary import summary
from snellen.commands.train import train
from snellen.commands.tune import tune
from snellen.commands.verify import verify
from snellen.extras import extra_of, missing_sentence
from snellen.plain_command import PlainCommand, PlainGroup

with suppress(ValueError):
    signal.signal(signal.SIGINT, signal.default_int_handler)

app = typer.Typer(
    name="snellen",
    cls=PlainGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"snellen {version('snellen')}")
        raise typer.Exit


_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
_SERVE, _MAKE, _JUDGE = "Classify", "Make bundles", "Look into bundles and networks"
"""Topics of the commands in the help."""

app.command(cls=ServeCommand, context_settings=_PASSED_ON, add_help_option=False, rich_help_panel=_SERVE)(serve)
app.command(cls=PlainCommand, rich_help_panel=_SERVE)(classify)
app.command(cls=PlainCommand, rich_help_panel=_SERVE)(tune)
app.command(cls=PlainCommand, rich_help_panel=_SERVE)(bench)
app.command(cls=PlainCommand, rich_help_panel=_SERVE)(capacity)
app.add_typer(keys, name="keys", rich_help_panel=_SERVE)
app.command(cls=PlainCommand, rich_help_panel=_MAKE)(train)
app.command("import", cls=PlainCommand, rich_help_panel=_MAKE)(import_network)
app.command(cls=PlainCommand, rich_help_panel=_MAKE)(calibrate)
app.command(cls=PlainCommand, rich_help_panel=_MAKE)(optimize)
app.add_typer(models, name="models", rich_help_panel=_JUDGE)
app.command(cls=PlainCommand, rich_help_panel=_JUDGE)(verify)
app.command(cls=PlainCommand, rich_help_panel=_JUDGE)(evaluate)
app.command(cls=PlainCommand, rich_help_panel=_JUDGE)(report)
app.command(cls=PlainCommand, rich_help_panel=_JUDGE)(summary)


@app.callback()
def _program(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Train or import a CNN, serve it over HTTP, and get class probabilities."""


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
        sys.stderr.write(f"snellen: {missing_sentence(extra, module)}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
