"""The command that serves a new bundle, to be copied from the last lines of `snellen train` and `snellen import`."""

import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from snellen.extras import clone


def serve_command(repository: Path, name: str) -> str:
    """Return the command that serves the bundles in `repository`, with the model `name` as the default one.

    It is a line for a POSIX shell. Environments for training hold no server: there it is `make serve` in a clone, and
    elsewhere an installation comes before the command.
    """
    if find_spec("fastapi") is None and (folder_of_clone := clone()):
        return _make_command(repository, name, folder_of_clone)
    folder = [] if repository == Path("models") else ["--models", str(repository)]
    command = f"{_program()} {shlex.join(['serve', *folder, '--default-model', name])}"
    return command if find_spec("fastapi") is not None else f"pip install 'snellen[cpu]' && {command}"


def _make_command(repository: Path, name: str, folder_of_clone: Path) -> str:
    """Return `make serve` with the settings as variables, for which make installs the server where it is missing."""
    here = Path.cwd() == folder_of_clone
    models = repository if here else repository.absolute()
    settings = [] if here and repository == Path("models") else [f"SNELLEN_MODELS={shlex.quote(str(models))}"]
    folder = [] if here else ["-C", shlex.quote(str(folder_of_clone))]
    return " ".join([*settings, f"SNELLEN_DEFAULT_MODEL={name}", "make", *folder, "serve"])


def _program() -> str:
    """Return how this program was started, as short as a shell finds it."""
    started = Path(sys.argv[0])
    if started.name != "snellen":
        return shlex.join([sys.executable, "-m", "snellen"])
    found = shutil.which("snellen")
    return "snellen" if found is not None and Path(found).samefile(started) else shlex.quote(str(started))
