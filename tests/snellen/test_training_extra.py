"""Errors of commands as messages."""

import os
import signal

import pytest

from snellen.training_extra import refusals_as_messages


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
