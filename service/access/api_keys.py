"""API keys as the service knows them: names, scopes and hashes, never the secrets."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256

from service.access.rate_limit import RateLimit

_PREFIX = "snl_"
_ID_BYTES = 6
_SECRET_BYTES = 32
ID_LENGTH = 2 * _ID_BYTES
KEY_LENGTH = len(_PREFIX) + ID_LENGTH + 1 + 2 * _SECRET_BYTES
"""Characters of a key: `snl_ID_SECRET`, where ID and SECRET are hexadecimal."""
_ID = slice(len(_PREFIX), len(_PREFIX) + ID_LENGTH)
"""Where the ID stands in a key."""


class Scope(StrEnum):
    """What a key allows."""

    CLASSIFY = "classify"
    READ = "read"
    METRICS = "metrics"
    ADMIN = "admin"


@dataclass(frozen=True)
class ApiKey:
    """An entry of the key file.

    name: of the client; several keys may have the same one, so that keys can be exchanged one after the other.
    key_id: the public part of the key. digest: SHA-256 of the whole key, 32 bytes. models: names of the models that the
    key may use, None for all. expires: from this moment on the key is refused, None for never. limit: of this key, None
    for the one that keys have without their own.
    """

    name: str
    key_id: str
    digest: bytes
    scopes: frozenset[Scope]
    models: frozenset[str] | None = None
    expires: datetime | None = None
    limit: RateLimit | None = None

    def has_expired(self, now: datetime | None = None) -> bool:
        """Return whether the key is past its time. now: with a time zone; None for the present."""
        return self.expires is not None and (now or datetime.now(UTC)) >= self.expires


def new_key(name: str, scopes: frozenset[Scope], **options: object) -> tuple[str, ApiKey]:
    """Return a new key as the client sends it, and its entry. options: the other fields of the entry.

    The secret has 256 random bits, so that it cannot be guessed and its hash needs neither salt nor many rounds.
    """
    key_id = secrets.token_hex(_ID_BYTES)
    key = f"{_PREFIX}{key_id}_{secrets.token_hex(_SECRET_BYTES)}"
    return key, ApiKey(name, key_id, digest_of(key.encode()), scopes, **options)  # type: ignore[arg-type]


def digest_of(key: bytes) -> bytes:
    """Return the SHA-256 of a key."""
    return sha256(key).digest()


def id_in(key: bytes) -> bytes:
    """Return what stands in the place of the ID, whatever the bytes are."""
    return key[_ID]
