"""The keys that are valid now: found by ID, compared by hash, and renewed when the file changes."""

import asyncio
import hmac
import logging
from pathlib import Path

from service.access.api_keys import KEY_LENGTH, ApiKey, digest_of, id_in
from service.access.key_file import KeyFileError, parse_keys, read_content

logger = logging.getLogger(__name__)

INTERVAL_S = 0.5
"""Seconds between two looks at the file."""
_NO_DIGEST = bytes(32)
"""Compared with where no key has the ID, so that such a request takes as long as one with a wrong secret."""


class Keyring:
    """The keys of a file.

    The file is read again by its path, because Kubernetes exchanges links, and compared as a whole, because an
    unchanged time and size prove nothing. A change is taken when two looks in a row have seen it, so that a file that
    is being written is not taken for one with fewer keys.
    """

    def __init__(self, path: Path, content: str | None = None, *, announce: bool = True) -> None:
        """Read the file. Raises KeyFileError.

        content: text that was valid, for a process that starts while the file is not; None to read the file.
        announce: log what changes; off where another process does.
        """
        self._path, self._announce = path, announce
        self.content = read_content(path) if content is None else content
        self._keys = self._by_id(self.content)
        self._seen, self._refused = self.content, ""
        if announce:
            logger.info("API keys of %s: %s", path, self._counted())

    def find(self, key: bytes) -> ApiKey | None:
        """Return the entry of a key that a client sent, whether it has expired or not; None if there is none.

        One look-up and one hash, whichever of its parts is wrong.
        """
        if len(key) != KEY_LENGTH:
            return None
        known = self._keys.get(id_in(key))
        same = hmac.compare_digest(digest_of(key), known.digest if known is not None else _NO_DIGEST)
        return known if same else None

    async def watch(self) -> None:
        """Follow the file until cancelled. What cannot be read is logged once, and the keys stay as they are."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            try:
                await self._look()
            except KeyFileError as error:
                self._refuse(str(error))
            except Exception as error:  # whatever it is, revoked keys have to be noticed later
                self._refuse(f"the key file {self._path} cannot be read: {error!r}")

    async def _look(self) -> None:
        """Look at the file once. Raises KeyFileError."""
        found = await asyncio.to_thread(read_content, self._path)
        known, self._seen = self._seen, found
        if found != known:
            return
        if found != self.content:
            self._keys = self._by_id(found)
            self.content = found
            self._log("API keys of %s were read again: %s", self._path, self._counted())
        elif self._refused:
            self._log("the key file %s can be read again; its keys have not changed", self._path)
        self._refused = ""

    def _refuse(self, reason: str) -> None:
        if reason != self._refused and self._announce:
            logger.error("%s; the keys stay as they were", reason)
        self._refused = reason

    def _by_id(self, text: str) -> dict[bytes, ApiKey]:
        return {key_id.encode(): key for key_id, key in parse_keys(text, self._path).items()}

    def _counted(self) -> str:
        if not self._keys:
            return "none, so every request that needs a key is refused"
        names = len({key.name for key in self._keys.values()})
        return f"{_number(len(self._keys), 'key')} of {_number(names, 'client')}"

    def _log(self, message: str, *values: object) -> None:
        if self._announce:
            logger.info(message, *values)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
