"""Which requests are of one client."""

import pytest

from service.access.api_keys import Scope, new_key
from service.access.client_identity import identity_of
from service.types import UNKNOWN_CLIENT


def test_a_key_is_one_client_from_all_addresses() -> None:
    """Two keys of one name are two."""
    (_, first), (_, second) = (new_key("shop", frozenset({Scope.CLASSIFY})) for _ in range(2))
    assert identity_of(first, "10.0.0.1") == identity_of(first, None) == int(first.key_id, 16)
    assert identity_of(second, "10.0.0.1") != int(first.key_id, 16)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("testclient", "testclient", True),
        ("::1", "127.0.0.1", False),
        ("::1", "0.0.0.1", False),
        ("0.0.0.0", "::1", False),
        ("0:0:a00:1::1", "10.0.0.1", False),
    ],
)
def test_an_ipv6_client_is_its_first_64_bits(one: str, other: str, same: bool) -> None:
    """A client has all addresses of such a network for itself; an IPv4 address is one client."""
    assert (identity_of(None, one) == identity_of(None, other)) is same
    assert 0 < identity_of(None, one) < 2**64


def test_a_client_without_an_address_is_unknown() -> None:
    """As on a Unix socket."""
    assert identity_of(None, None) == identity_of(None, "") == UNKNOWN_CLIENT
