"""The program around the commands: exit statuses, and what is printed where."""

import pytest
import typer
from typer.testing import CliRunner

from snellen.plain_command import PlainCommand, PlainGroup
from tests.snellen.command import in_process

app = typer.Typer(cls=PlainGroup)


@app.command(cls=PlainCommand)
def end(how: str) -> None:
    """End in some way."""
    endings: dict[str, Exception] = {
        "status": typer.Exit(7),
        "abort": typer.Abort(),
        "fault": ZeroDivisionError("a fault"),
        "parameter": typer.BadParameter("is odd"),
    }
    if how in endings:
        raise endings[how]


@app.command(cls=PlainCommand)
def other() -> None:
    """Make the program have more than one command."""


@pytest.mark.parametrize(
    ("how", "status", "said"),
    [("well", 0, ""), ("status", 7, ""), ("abort", 1, ""), ("parameter", 2, "snellen: is odd\n")],
)
def test_the_exit_status_is_that_of_the_command(how: str, status: int, said: str) -> None:
    """Errors of usage are printed."""
    done = CliRunner().invoke(app, ["end", how])
    assert (done.exit_code, done.stderr) == (status, said)


def test_a_fault_is_not_hidden() -> None:
    """It is no error of the user."""
    assert isinstance(CliRunner().invoke(app, ["end", "fault"]).exception, ZeroDivisionError)


def test_without_a_command_the_help_is_printed() -> None:
    """With status 2, as scripts expect of a call that did nothing."""
    done = in_process()
    assert (done.returncode, done.stdout.startswith("usage: "), done.stderr) == (2, True, "")
