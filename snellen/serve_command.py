"""The command that serves a new bundle, to be copied from the last lines of `snellen train` and `snellen import`."""

import shlex
import shutil
import sys
from pathlib import Path


def serve_command(repository: Path, name: str) -> str:
    """Return the command that serves the bundles in `repository`, with the model `name` as the default one.

    It is a line for a POSIX shell, with the program that runs now: the environments of both extras hold the server.
    """
    folder = [] if repository == Path("models") else ["--models", str(repository)]
    return f"{_program()} {shlex.join(['serve', *folder, '--default-model', name])}"


def _program() -> str:
    """Return how this program was started, as short as a shell finds it."""
    started = Path(sys.argv[0])
    if started.name != "snellen":
        return shlex.join([sys.executable, "-m", "snellen"])
    found = shutil.which("snellen")
    return "snellen" if found is not None and Path(found).samefile(started) else shlex.quote(str(started))
