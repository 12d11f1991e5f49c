"""New keys: what a client gets, and what the file keeps."""

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from service.access.api_keys import KEY_LENGTH, Scope, digest_of, id_in, new_key


def test_a_key_is_its_id_and_a_secret_of_256_bits() -> None:
    """In hexadecimal; the entry keeps the ID and the hash, as `printf %s KEY | sha256sum` computes it."""
    key, entry = new_key("shop", frozenset({Scope.CLASSIFY}))
    assert re.fullmatch(r"snl_[0-9a-f]{12}_[0-9a-f]{64}", key)
    assert len(key) == KEY_LENGTH
    assert entry.digest == digest_of(key.encode()) == sha256(key.encode()).digest()
    assert id_in(key.encode()) == entry.key_id.encode()
    assert key.rpartition("_")[2] not in repr(entry)


def test_no_two_keys_are_alike() -> None:
    """IDs and secrets are random."""
    keys = {new_key("shop", frozenset({Scope.READ}))[0] for _ in range(100)}
    assert len({key[4:16] for key in keys}) == len({key[17:] for key in keys}) == 100


def test_a_key_expires_at_its_moment() -> None:
    """Not before, and from then on."""
    moment = datetime(2027, 1, 31, tzinfo=UTC)
    _, entry = new_key("shop", frozenset({Scope.READ}), expires=moment)
    assert not entry.has_expired(moment - timedelta(seconds=1))
    assert entry.has_expired(moment)
    assert not new_key("shop", frozenset({Scope.READ}))[1].has_expired()
