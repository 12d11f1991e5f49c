"""Stores compiled models on disk: one file each, with a hash of its content in front."""

import hashlib
import logging
import os
from pathlib import Path

logger = logging.getLogger(__name__)

_HASH_BYTES = hashlib.sha256().digest_size
_MOST_FOLDERS = 32
"""Limit of the folders beside each other, one for each bundle; those that were not used for longest are deleted."""


class CompiledFiles:
    """A folder of compiled models, or none. What cannot be read or written is compiled again, with one log line."""

    def __init__(self, folder: Path | None) -> None:
        """folder: named by a hash of all that the models depend on; it may not exist yet. None stores nothing."""
        self._folder = folder

    @property
    def active(self) -> bool:
        """Whether files are stored at all."""
        return self._folder is not None

    def read(self, name: str) -> bytes | None:
        """Return the stored bytes; None if there are none or they are damaged."""
        if self._folder is None:
            return None
        path = self._folder / name
        try:
            with path.open("rb") as file:
                expected, content = file.read(_HASH_BYTES), file.read()
            os.utime(self._folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            logger.info("%s cannot be read, so the model is compiled again: %s", path, error.strerror)
            return None
        if hashlib.sha256(content).digest() != expected:
            logger.warning("%s is damaged, so the model is compiled again", path)
            return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """Store the bytes atomically: readers see the old file or the new one."""
        if self._folder is None:
            return
        unfinished = self._folder / f".{name}.{os.getpid()}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                with unfinished.open("wb") as file:
                    file.write(hashlib.sha256(content).digest())
                    file.write(content)
                unfinished.replace(self._folder / name)
            finally:
                unfinished.unlink(missing_ok=True)
            _delete_oldest(self._folder.parent)
        except OSError as error:
            logger.info("no compiled model is kept in %s: %s; see --profile-cache", self._folder, error.strerror)


def _delete_oldest(parent: Path) -> None:
    folders = sorted(parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for folder in folders[_MOST_FOLDERS:]:
        for path in folder.iterdir():
            path.unlink(missing_ok=True)
        folder.rmdir()
