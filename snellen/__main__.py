"""The command `snellen`; each subcommand lives in a file of its own and imports what it needs when it runs."""

import typer

from snellen.bench import bench
from snellen.classify import classify
from snellen.import_network import import_network
from snellen.optimize import optimize
from snellen.report import report
from snellen.serve import serve
from snellen.summary import summary
from snellen.train import train
from snellen.tune import tune
from snellen.verify import verify

app = typer.Typer(
    name="snellen",
    help="Train or import a CNN, serve it over HTTP, and get class probabilities with a pedigree.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}

app.command(context_settings=_PASSED_ON, add_help_option=False)(serve)
app.command()(classify)
app.command()(train)
app.command("import")(import_network)
app.command()(report)
app.command()(optimize)
app.command()(summary)
app.command()(verify)
app.command()(bench)
app.command()(tune)


def main() -> None:
    """Entry point of the installed command."""
    app()


if __name__ == "__main__":
    main()
