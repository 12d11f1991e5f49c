"""Which addresses other machines can reach."""

import pytest

from service.access.exposure import is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *(("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("localhost", True)),
        *(("0.0.0.0", False), ("::", False), ("192.0.2.1", False), ("no-such-host.invalid", False)),
    ],
)
def test_only_loopback_addresses_are_out_of_reach(host: str, expected: bool) -> None:
    """A name counts by all its addresses; one that is not known counts as reachable."""
    assert is_loopback(host) is expected
