"""The measurement of the key check measures requests that are let in."""

from benchmarks.micro.key_check import keyring_of, measure


async def test_the_check_is_measured() -> None:
    """One round is enough here: a time above nothing."""
    assert await measure(keys=10, rounds=1) > 0


def test_the_key_is_one_of_many() -> None:
    """The request that is measured has a valid key."""
    key, keyring = keyring_of(100)
    assert keyring.find(key.encode()) is not None
    assert keyring.content.count("\n") == 99
