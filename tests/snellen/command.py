"""The command: in a process of its own, as a user starts it, or in this one, which saves the time of a start."""

import os
import subprocess
import sys

from typer.testing import CliRunner

from snellen.__main__ import app


def snellen(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run to its end; a traceback is never an answer."""
    command = [sys.executable, "-m", "snellen", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", check=False, timeout=300, env=os.environ | environment
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def in_process(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run in this process, where an exception that no command expects fails the test.

    Not for `serve`, which changes signal handlers, and not for what libraries write to standard error by themselves.
    """
    done = CliRunner().invoke(app, [*map(str, arguments)], env=environment, catch_exceptions=False)
    return subprocess.CompletedProcess([*map(str, arguments)], done.exit_code, done.stdout, done.stderr)
