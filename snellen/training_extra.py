"""One-line messages for the errors of training, and a check that the extra `train` is installed."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from snellen.options import exit_with_error, require_extra


@contextmanager
def errors_as_messages() -> Iterator[None]:
    """Turn errors of training into one line, and Ctrl-C into exit status 130.

    The status is 2 where settings, images or bundles have to be changed first, and 1 where the work itself failed.
    """
    require_extra("train")
    from models.contract import BundleError
    from training.errors import CheckpointError, DivergedError, InterruptedRunError, ParityError, TrainingError

    try:
        yield
    except InterruptedRunError as error:
        typer.echo(f"snellen: {error}", err=True)
        raise typer.Exit(error.status) from None
    except (DivergedError, ParityError, CheckpointError, OSError, ValueError) as error:
        typer.echo(f"snellen: {error}", err=True)
        raise typer.Exit(1) from error
    except (TrainingError, BundleError) as error:
        typer.echo(f"snellen: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        typer.echo("snellen: stopped", err=True)
        raise typer.Exit(130) from None


@contextmanager
def refusals_as_messages() -> Iterator[None]:
    """Turn errors of what needs no extra into one line and exit status 2, and Ctrl-C into exit status 130.

    SIGTERM ends the command with exit status 143 after its temporary folders are removed, unless it has a handler.
    """
    from models.contract import BundleError
    from training.errors import TrainingError

    try:
        with _removed_at_termination():
            yield
    except (TrainingError, BundleError, OSError) as error:
        exit_with_error(" ".join(str(error).split()), status=2)
    except KeyboardInterrupt:
        exit_with_error("stopped", status=130)


@contextmanager
def _removed_at_termination() -> Iterator[None]:
    """Let SIGTERM raise SystemExit inside the block, so that temporary folders are removed."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
