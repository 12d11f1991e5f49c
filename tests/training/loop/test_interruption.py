"""Signals that end a run between two steps."""

import os
import signal

import pytest

from training.loop.interruption import catch_interruptions


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_is_recorded_and_gives_the_exit_status(number: signal.Signals) -> None:
    """The block goes on; the error has the status that a shell expects."""
    with catch_interruptions() as interruption:
        assert interruption.signal is None
        os.kill(os.getpid(), number)
        assert interruption.signal is number
    error = interruption.error("go on with --resume")
    assert (str(error), error.status) == (f"stopped by {number.name}; go on with --resume", 128 + number)


def test_a_second_signal_ends_the_block_at_once() -> None:
    """Even if the step before takes long."""
    with pytest.raises(KeyboardInterrupt), catch_interruptions():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)


def test_the_former_handlers_come_back() -> None:
    """Also after an error in the block."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(ValueError, match="inside"), catch_interruptions():
        raise ValueError("inside")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
