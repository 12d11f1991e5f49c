"""Commands of typer whose help is plain text by topic, and whose refusals are one sentence and exit status 2."""

import sys
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from snellen.help_text import help_text
from snellen.output import printable
from snellen.usage_errors import usage_sentence


class PlainCommand(TyperCommand):
    """A command."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(help_text(self, ctx))


class PlainGroup(TyperGroup):
    """A group of commands, or the whole program."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(help_text(self, ctx))

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the program, and exit with its status unless the option `standalone_mode` is false."""
        alone = options | {"standalone_mode": False}
        if not options.get("standalone_mode", True):
            return super().main(*args, **alone)
        try:
            status = super().main(*args, **alone)
        except typer.Abort:
            sys.exit(1)
        except Exception as error:
            if not hasattr(error, "format_message"):  # typer's errors of usage have no public base
                raise
            if type(error).__name__ == "NoArgsIsHelpError":
                typer.echo(error.format_message())
            else:
                typer.echo(f"snellen: {printable(usage_sentence(error))}", err=True)
            sys.exit(2)
        sys.exit(status if isinstance(status, int) else 0)
