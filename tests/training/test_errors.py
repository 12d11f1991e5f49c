"""Errors of training."""

import inspect

from training import errors
from training.errors import InterruptedRunError, TrainingError


def test_every_error_is_a_training_error() -> None:
    """A command that catches the base catches them all."""
    found = [each for _, each in inspect.getmembers(errors, inspect.isclass) if each.__module__ == errors.__name__]
    assert len(found) > 5
    assert all(issubclass(each, TrainingError) for each in found)


def test_an_interrupted_run_knows_its_exit_status() -> None:
    """The message stays the message."""
    error = InterruptedRunError("stopped by SIGTERM", 143)
    assert (str(error), error.status) == ("stopped by SIGTERM", 143)
