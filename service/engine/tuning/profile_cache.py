"""Stores profiles on disk: one JSON file each, named by a hash of what it was measured for."""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from service.engine.profile import Profile

logger = logging.getLogger(__name__)

_MOST_FILES = 256
"""Limit of profiles in the folder; the oldest are deleted."""
_FORMAT = 3
"""Version of the format; part of the key."""


def default_folder() -> Path | None:
    """Return the user's cache folder; None if there is none."""
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "snellen"
    try:
        return Path.home() / ".cache" / "snellen"
    except RuntimeError:  # no HOME, and no entry in the user database
        return None


def key_of(facts: Mapping[str, object]) -> str:
    """Return a file name for the facts that a profile depends on; `facts` must be serializable as JSON."""
    text = json.dumps({"format": _FORMAT, **facts}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class ProfileCache:
    """A folder of profiles, or none. Profiles that cannot be read or written are measured again, with one log line."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder / "profiles" if folder else None

    def get(self, key: str) -> Profile | None:
        if self._folder is None:
            return None
        path = self._folder / f"{key}.json"
        try:
            return Profile.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            logger.warning("the profile in %s is measured again: %s", path, _kind(error))
            return None

    def put(self, key: str, profile: Profile) -> None:
        """Store a profile atomically: readers see the old file or the new one."""
        if self._folder is None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _write(self._folder / f"{key}.json", profile.model_dump_json())
            self._forget_oldest(self._folder)
        except OSError as error:
            logger.info("the profile is not kept in %s: %s; see --profile-cache", self._folder, _kind(error))

    def _forget_oldest(self, folder: Path) -> None:
        files = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in files[_MOST_FILES:]:
            path.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _kind(error: Exception) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else "it is damaged"
