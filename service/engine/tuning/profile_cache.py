"""Stores profiles on disk: one JSON file each, named by a hash of the facts that it was measured for."""

import hashlib
import json
import logging
import os
import platform
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from service.engine.profile import Profile

logger = logging.getLogger(__name__)

_MOST_FILES = 256
"""Limit of profiles in the folder; the oldest are deleted."""
_FORMAT = 3
"""Version of the format; part of the key."""
_CPU_FIELDS = ("model name", "cpu family", "model", "stepping", "flags")
_GPUS = Path("/proc/driver/nvidia/gpus")


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


@cache
def processor() -> str:
    """Return name and features of the first core. Virtual machines often hide the name."""
    fields = _fields(Path("/proc/cpuinfo"))
    return "; ".join(fields[name] for name in _CPU_FIELDS if name in fields) or platform.processor() or "unknown"


def gpu() -> str:
    """Return the names of the GPUs that this process may use, and the driver; empty when there is none."""
    if not _GPUS.is_dir():
        return ""
    names = [_fields(folder / "information").get("Model", "?") for folder in sorted(_GPUS.iterdir())]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    chosen = [names[int(each)] for each in visible if each.isdigit() and int(each) < len(names)] or names
    return "; ".join([*chosen, *_lines(_GPUS.parent / "version")[:1]])


def _fields(path: Path) -> dict[str, str]:
    """Return the values of lines `name : value` by name; the first line of a name counts."""
    parts = (line.partition(":") for line in reversed(_lines(path)))
    return {name.strip(): value.strip() for name, _, value in parts}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


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
            logger.warning("the profile in %s is measured again: %s", path, _reason(error))
            return None

    def add(self, key: str, profile: Profile) -> Profile:
        """Store a profile unless there is one that can be read. Return the stored one; `profile` without a folder.

        So processes that measure at the same time agree on the profile of the one that ends first.
        """
        self._write(key, profile, _place_unless_taken)
        stored = self.get(key)
        if stored is None and self._folder is not None and (self._folder / f"{key}.json").exists():
            self.put(key, profile)
        return stored or profile

    def put(self, key: str, profile: Profile) -> None:
        """Store a profile atomically: readers see the old file or the new one."""
        self._write(key, profile, os.replace)

    def _write(self, key: str, profile: Profile, place: Callable[[Path, Path], None]) -> None:
        """Write the file under another name, then `place` it: called with that path and the path of the profile."""
        if self._folder is None:
            return
        unfinished = self._folder / f".{key}.{uuid4().hex}"  # containers that share the folder share process ids
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                unfinished.write_text(profile.model_dump_json())
                place(unfinished, self._folder / f"{key}.json")
            finally:
                unfinished.unlink(missing_ok=True)
            files = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in files[_MOST_FILES:]:
                path.unlink(missing_ok=True)
        except OSError as error:
            logger.info("the profile is not kept in %s: %s; see --profile-cache", self._folder, _reason(error))


def _place_unless_taken(unfinished: Path, path: Path) -> None:
    """Give a file the name `path` unless there is such a file. Without hard links, as on FAT, it replaces that file."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return
    except OSError:
        unfinished.replace(path)


def _reason(error: Exception) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else "it is damaged"
