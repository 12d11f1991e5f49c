"""Which repository folder is read where none is named: `models` in the working folder, or the built-in one."""

import os
from pathlib import Path

from models.bundle import MANIFEST, readable_bundles

WORKING_FOLDER = Path("models")
"""The repository in the working folder, relative to it."""
BUILT_IN = Path(__file__).parent
"""The repository that is part of this package: all shipped bundles in a clone, `imagenet` in the wheel."""
_MOST_NAMES = 10
"""Bundles that are named in a message; the others are counted."""


def default_repository() -> Path:
    """Return `models` if it holds a `*/*/manifest.json`, else the built-in repository, else `models`.

    A manifest counts even if it cannot be read, so that a damaged bundle is reported and no other one is served in its
    place.
    """
    if _holds_manifests(WORKING_FOLDER) or not _holds_manifests(BUILT_IN):
        return WORKING_FOLDER
    return BUILT_IN


def passed_over_folder(repository: Path) -> str | None:
    """Return a sentence about the folder `models` that `default_repository` passed over.

    repository: its result. Returns None where there was no such folder.
    """
    if repository != BUILT_IN or not os.path.isdir(WORKING_FOLDER):
        return None
    return (
        f"the folder {WORKING_FOLDER.absolute()} is passed over: it holds no <name>/<version>/{MANIFEST} that can be "
        "found; name it with --models to see why"
    )


def describe_repository(repository: Path, *, named: bool) -> str:
    """Return which bundles of a repository can be read, where they are, and how to use others, in one line for the log.

    named: whether the user named the folder.
    """
    names = [f"{bundle.manifest.name}/{bundle.manifest.version}" for bundle in readable_bundles(repository)]
    more = [f"and {len(names) - _MOST_NAMES} more"] if len(names) > _MOST_NAMES else []
    bundles = ", ".join(names[:_MOST_NAMES] + more) or "no bundle"
    if repository == BUILT_IN and not named:
        return (
            f"models: {bundles}, built in ({repository}); for your own: snellen serve FILE.onnx --labels labels.txt, "
            "or --models FOLDER"
        )
    return f"models: {bundles} from {repository.absolute()}"


def _holds_manifests(repository: Path) -> bool:
    return any(True for _ in repository.glob(f"*/*/{MANIFEST}"))
