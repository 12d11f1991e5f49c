"""The program around the commands: exit statuses, and what is printed where."""

import signal

import pytest
import typer
from typer.testing import CliRunner

from snellen.plain_command import PlainCommand, PlainGroup
from tests.snellen.command import in_process

app = typer.Typer(cls=PlainGroup)


@app.command(cls=PlainCommand)
def end(how: str) -> None:
    """End in some way."""
    if how == "loading":
        load_interrupted()
    endings: dict[str, BaseException] = {
        "interrupt": KeyboardInterrupt(),
        "status": typer.Exit(7),
        "abort": typer.Abort(),
        "fault": ZeroDivisionError("a fault"),
        "parameter": typer.BadParameter("is odd"),
    }
    if how in endings:
        raise endings[how]


def load_interrupted() -> None:
    """Do as onnxruntime does where Ctrl-C is pressed while it is imported."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("initialization failed") from None


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


@pytest.mark.parametrize("how", ["interrupt", "loading"])
def test_ctrl_c_is_one_line_wherever_it_is_pressed(how: str) -> None:
    """Also while a library is loaded, which says then that it could not be; and later signals are those of Python."""
    done = CliRunner().invoke(app, ["end", how])
    assert (done.exit_code, done.stderr) == (130, "snellen: stopped\n")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_fault_is_not_hidden() -> None:
    """It is no error of the user."""
    assert isinstance(CliRunner().invoke(app, ["end", "fault"]).exception, ZeroDivisionError)


def test_without_a_command_the_help_is_printed() -> None:
    """With status 2, as scripts expect of a call that did nothing."""
    done = in_process()
    assert (done.returncode, done.stdout.startswith("usage: "), done.stderr) == (2, True, "")
