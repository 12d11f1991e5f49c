"""The installed command, in a process of its own."""

import os
import subprocess
import sys


def snellen(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run to its end; a traceback is never an answer."""
    command = [sys.executable, "-m", "snellen", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", check=False, timeout=60, env=os.environ | environment
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done
