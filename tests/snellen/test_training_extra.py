"""Errors of commands as messages."""

import os
import signal

import pytest
import typer

from models.contract import BundleError
from snellen.training_extra import errors_as_messages, refusals_as_messages
from training import errors


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.DatasetError("images"), 2),
        (errors.ConfigurationError("settings"), 2),
        (errors.BundleExistsError("a version"), 2),
        (errors.RefusedRunError("a run"), 2),
        (errors.OptimizeError("too few"), 2),
        (BundleError("a bundle"), 2),
        (errors.DivergedError("the loss"), 1),
        (errors.ParityError("the graph"), 1),
        (errors.CheckpointError("a checkpoint"), 1),
        (OSError("the disk"), 1),
        (errors.InterruptedRunError("SIGTERM", 143), 143),
        (KeyboardInterrupt(), 130),
    ],
)
def test_the_status_tells_what_has_to_change_from_what_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, status: int
) -> None:
    """2: settings, images or bundles; 1: the work itself. One line, whichever environment it is."""
    monkeypatch.setattr("snellen.training_extra.require_extra", lambda _: None)
    with pytest.raises(typer.Exit) as raised, errors_as_messages():
        raise error
    assert raised.value.exit_code == status
    assert capsys.readouterr().err.count("\n") == 1


def test_termination_leaves_the_block_in_order() -> None:
    """So that temporary folders are removed; afterwards the signal is as it was."""
    left = list[str]()
    with pytest.raises(SystemExit) as raised, refusals_as_messages():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            left.append("removed")
    assert (raised.value.code, left) == (143, ["removed"])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_handler_that_is_there_stays() -> None:
    """As that of `snellen serve`, which ends with status 0."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with refusals_as_messages():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
