"""Commands of typer whose help is plain text by topic, and whose refusals are one sentence and exit status 2."""

import signal
import sys
from contextlib import suppress
from types import FrameType
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

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Ctrl-C where the command does not handle it ends the program with one line, and status 130.

        A library that is interrupted while it is loaded reports that as an error of its own.
        """
        pressed = False

        def note(number: int, frame: FrameType | None) -> None:
            nonlocal pressed
            pressed = True
            signal.default_int_handler(number, frame)

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            with suppress(ValueError):  # not in the main thread
                signal.signal(signal.SIGINT, note)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _stopped() from None
        except ImportError:
            if not pressed:
                raise
            raise _stopped() from None
        finally:
            if signal.getsignal(signal.SIGINT) is note:
                signal.signal(signal.SIGINT, signal.default_int_handler)

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


def _stopped() -> typer.Exit:
    typer.echo("snellen: stopped", err=True)
    return typer.Exit(128 + signal.SIGINT)
