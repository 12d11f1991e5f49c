"""Provenance of a bundle: command, commit, libraries and data, so that it can be made again."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import onnxruntime

from models.contract import Provenance

_LIBRARIES = ("numpy", "onnx", "pillow")
_ROOT = Path(__file__).parents[2]
_SOURCES = ("training", "snellen", "models/*.py")


def provenance(
    *,
    dataset: str,
    licence: str,
    notes: Sequence[str],
    libraries: Sequence[str] = (),
    seed: int | None = None,
    duration_s: float | None = None,
) -> Provenance:
    """Return the provenance of a bundle that this process has made.

    libraries: packages beyond those always recorded.
    """
    return Provenance(
        dataset=dataset,
        licence=licence,
        command=_command(sys.argv),
        commit=commit(),
        libraries=_versions({*_LIBRARIES, *libraries}),
        created=datetime.now(UTC).replace(microsecond=0),
        seed=seed,
        duration_s=duration_s and round(duration_s, 1),
        notes=tuple(notes),
    )


def commit() -> str:
    """Return the commit of the code that makes bundles, marked when it was changed since; `unknown` outside a
    checkout.
    """
    head = _git("rev-parse", "HEAD")
    if not head:
        return "unknown"
    return f"{head} with uncommitted changes" if _git("status", "--porcelain", "--", *_SOURCES) else head


def _versions(packages: set[str]) -> dict[str, str]:
    """Return the versions of packages and of ONNX Runtime, whose package has another name on a GPU."""
    found = {name: version(name) for name in packages} | {"onnxruntime": onnxruntime.__version__}
    return dict(sorted(found.items()))


def _command(arguments: Sequence[str]) -> str:
    """Return the command as a person types it; `python -m snellen` is `snellen`."""
    program = Path(arguments[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    return shlex.join([name, *arguments[1:]])


def _git(*arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, "-C", str(_ROOT), *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() if done.returncode == 0 else ""
