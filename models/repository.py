"""Which repository folder is read where none is named: `models` in the working folder, or the built-in one."""

import os
from pathlib import Path

from models.bundle import MANIFEST

WORKING_FOLDER = Path("models")
"""The repository in the working folder, relative to it."""
BUILT_IN = Path(__file__).parent
"""The repository that is part of this package: all shipped bundles in a clone, `imagenet` in the wheel."""


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


def _holds_manifests(repository: Path) -> bool:
    return any(True for _ in repository.glob(f"*/*/{MANIFEST}"))
