"""Which requests are of one client, for limits and for shares: those with one API key, else those of one address."""

from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address

from service.access.api_keys import ApiKey
from service.types import UNKNOWN_CLIENT

_PREFIX_BITS = 64
"""Bits of an IPv6 address that stand for a client. A network for one customer has at least the other 64 for itself."""
_IPV4 = 0xFFFF << 32
"""What stands before an IPv4 address, as in ::ffff:10.0.0.1, so that no IPv6 client has the same number."""
_ADDRESSES_KNOWN = 4096
"""Limit of addresses that are remembered, so that they are not read again with each request."""


def identity_of(key: ApiKey | None, address: str | None) -> int:
    """Return a number below 2^64: the ID of the key, or else an IPv4 address or the first half of an IPv6 address.

    address: as ASGI has it, also a name where it is no IP address; None or empty where it is not known, which returns
    UNKNOWN_CLIENT. The first half of ::1 is UNKNOWN_CLIENT too, so ::1 is its other half.
    """
    if key is not None:
        return int(key.key_id, 16)
    return _network_of(address) if address else UNKNOWN_CLIENT


@lru_cache(_ADDRESSES_KNOWN)
def _network_of(text: str) -> int:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return int(address) >> _PREFIX_BITS or int(address)
    return _IPV4 | int(address) & 0xFFFFFFFF
